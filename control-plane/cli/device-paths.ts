import { DeviceView } from '@flotilla/protocol';
import type { ApiClient } from './client.js';
import { suggesting } from './near-names.js';

export const pathOf = (id: string) => `/api/v1/devices/${encodeURIComponent(id)}`;

/** Of a device that is not there, its likely names. */
export const known = <T>(client: ApiClient, id: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, id, {
    code: 'DEVICE_NOT_FOUND',
    names: async () => (await client.list('/api/v1/devices', DeviceView)).map((device) => device.id),
  });
