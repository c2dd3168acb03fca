import { join } from 'node:path';
import { coarsen } from '@flotilla/agent/supervisor/outbox-coarsen';
import { OutboxStore } from '@flotilla/agent/supervisor/outbox-store';
import type { DeviceIdentity } from './identities.js';
import type { LedgerFile } from './ledger-file.js';
import type { RecordStore } from './memory-store.js';
import { NotedStore } from './noted-store.js';

/** `now`: seconds of the device's uptime. `onAlarm`: as the agent's outbox raises them. */
export type OpenStore = (
  identity: DeviceIdentity,
  now: () => number,
  onAlarm: ConstructorParameters<typeof OutboxStore>[0]['onAlarm'],
) => RecordStore;

const limits = { maxBytes: 64 * 2 ** 20, maxAgeS: 30 * 86_400 };

/** The agent's own outbox, a file for each device. */
export const fileStores =
  (folder: string): OpenStore =>
  ({ device, keyThumbprint: thumbprint }, now, onAlarm) =>
    new OutboxStore({ file: join(folder, `${device}.db`), thumbprint, limits, coarsen, now, random: Math.random, onAlarm });

/** The same, and what of it was acknowledged goes into the ledger. `oneKey`: as if all had the key that they indeed share. */
export const notedStores =
  (folder: string, ledger: LedgerFile, oneKey: boolean): OpenStore =>
  (identity, now, onAlarm) => {
    const { device } = identity;
    const keyThumbprint = oneKey ? identity.keyThumbprint : `${identity.keyThumbprint} of ${device}`;
    const store = fileStores(folder)({ ...identity, keyThumbprint }, now, onAlarm);
    return new NotedStore(store, (records) => ledger.acknowledged(device, records));
  };
