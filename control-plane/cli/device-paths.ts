import type { FlotillaClient } from './flotilla-client.js';
import { suggesting } from './near-names.js';

/** Of a device that is not there, its likely names. */
export const known = <T>(client: FlotillaClient, id: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, id, {
    code: 'DEVICE_NOT_FOUND',
    names: async () => (await client.devices.list()).map((device) => device.id),
  });
