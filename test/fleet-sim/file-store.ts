import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutboxStore } from '@flotilla/agent/supervisor/outbox-store';
import type { DeviceIdentity } from './identities.js';

const limits = { maxBytes: 64 * 2 ** 20, maxAgeS: 30 * 86_400 };

/** The agent's own outbox, a file for each device; `folder` is for the caller to remove. */
export function fileStores(): { folder: string; openStore: (identity: DeviceIdentity, now: () => number) => OutboxStore } {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-outboxes-'));
  const openStore = ({ device, keyThumbprint: thumbprint }: DeviceIdentity, now: () => number) =>
    new OutboxStore({
      file: join(folder, `${device}.db`),
      thumbprint,
      limits,
      now,
      random: Math.random,
      onAlarm: (name, message) => console.error(`${device}: ${name}: ${message}`),
    });
  return { folder, openStore };
}
