import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../support/until.js';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';
import { SmallDisk } from './small-disk.js';

/** A device that went without its disk tries it again after a minute. */
const returnMs = 100_000;
const fullMs = 6000;

/** Disks that are full, and are not any more. */
export function diskFaults(): readonly Fault[] {
  let disk: SmallDisk;
  const on = (megabytes: number, use: (folder: string) => object) => () => {
    disk = new SmallDisk(megabytes);
    return use(disk.folder);
  };
  const after = () => disk?.remove();
  return [
    { name: 'disk full on devices', rig: on(256, (outboxes) => ({ outboxes })), strike: (rig) => devices(rig, disk), after },
    {
      name: 'disk full on the server',
      rig: on(400, (folder) => {
        const dataDir = join(folder, 'data');
        mkdirSync(dataDir);
        return { dataDir };
      }),
      strike: (rig) => server(rig, disk),
      after,
    },
  ];
}

async function devices(rig: TelemetryRig, disk: SmallDisk): Promise<Outcome> {
  await rig.load(1000);
  disk.fill();
  await rig.load(fullMs);
  const inMemory = (await rig.fleet.outboxes()).filter(({ durable }) => !durable).length;
  disk.empty();
  await until(async () => (await rig.fleet.outboxes()).every(({ durable }) => durable), 'all are on their disk again', returnMs);
  const verdict = await rig.settle();
  const left = (await rig.fleet.outboxes()).filter(({ durable }) => !durable).length;
  const [told, back] = [await rig.alarmed('outbox-in-memory'), await rig.alarmed('outbox-on-disk')];
  const said = `${inMemory} went on in memory, ${told.size} said so, ${back.size} came back`;
  return { verdict, said, wrong: inMemory === 0 ? 'no disk was full' : left > 0 ? `${left} are still in memory` : undefined };
}

async function server(rig: TelemetryRig, disk: SmallDisk): Promise<Outcome> {
  await rig.load(1000);
  disk.fill();
  await rig.load(fullMs);
  disk.empty();
  await rig.load(1000);
  const verdict = await rig.settle();
  const { counters } = await rig.server.use();
  const tries = counters['ingest.retries'] ?? 0;
  return { verdict, said: `${tries} transactions tried again`, wrong: tries === 0 ? 'the disk was not full' : undefined };
}
