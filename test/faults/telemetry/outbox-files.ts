import { copyFileSync, existsSync, openSync, closeSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { seeded } from '../../fleet-sim/random.js';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const struck = 10;
const loadMs = 1000;
/** Ten devices of a fleet of thirty. */
const victims = Array.from({ length: struck }, (_, i) => i);
const files = ['', '-wal', '-shm'] as const;

/** What happens to the files of outboxes while their devices are off. */
export const outboxFaults: readonly Fault[] = [
  {
    name: 'outbox file truncated',
    strike: (rig) => damaged(rig, 'outbox-set-aside', (file) => truncateSync(file, Math.floor(whole(file).length * 0.6))),
  },
  { name: 'outbox file cut within its journal', strike: (rig) => damaged(rig, null, cutJournal) },
  { name: 'outbox file with flipped bits', strike: (rig) => damaged(rig, null, flipBits(seeded(7))) },
  { name: 'outbox file restored from an old copy', strike: restored },
  { name: 'outbox cloned to a second device', strike: (rig) => cloned(rig, 'outbox-set-aside') },
  {
    name: 'outbox cloned to a second device, key and all',
    rig: { oneKey: true },
    strike: (rig) => cloned(rig, 'outbox-old-copy'),
  },
];

/** Some is on its way, some was never sent; then the devices lose their power. */
async function cutOff(rig: TelemetryRig): Promise<void> {
  await rig.load(loadMs);
  rig.relay.setDown(true);
  await rig.load(loadMs);
  await rig.kill('agents');
  rig.relay.setDown(false);
}

/** `told`: what every one of them must say; null: some of the damage changes nothing that matters. */
async function damaged(rig: TelemetryRig, told: string | null, damage: (file: string) => void): Promise<Outcome> {
  await cutOff(rig);
  for (const device of victims) damage(rig.outboxOf(device));
  return comeBack(rig, told);
}

/** Only those that said so may miss what was not acknowledged; all others must miss nothing. */
async function comeBack(rig: TelemetryRig, told: string | null): Promise<Outcome> {
  await rig.mend('agents');
  await rig.load(loadMs);
  await rig.settle();
  const aside = await rig.alarmed('outbox-set-aside');
  const old = await rig.alarmed('outbox-old-copy');
  const verdict = await rig.compare((device) => aside.has(device) || old.has(device));
  const expected = victims.map((i) => rig.identity.devices[i]!.device);
  const silent = told === null ? [] : expected.filter((device) => !(told === 'outbox-old-copy' ? old : aside).has(device));
  const innocent = [...aside, ...old].filter((device) => !expected.includes(device));
  const wrong = [
    silent.length > 0 ? `${silent.length} of ${struck} did not say ${told}` : '',
    innocent.length > 0 ? `${innocent.join()} was not touched` : '',
  ];
  return {
    verdict,
    said: `${aside.size} set aside, ${old.size} old copies of ${struck}; ${await readable(rig)}; ${await rig.reportedLost()} reported lost`,
    wrong: wrong.filter(Boolean).join('; ') || undefined,
  };
}

async function readable(rig: TelemetryRig): Promise<string> {
  const sum = (what: string) =>
    rig.number(`SELECT coalesce(sum((data->'closes'->>'${what}')::int), 0) FROM event WHERE kind = 'alarm'`);
  return `${await sum('sent')} sent and ${await sum('unsent')} unsent could be read`;
}

async function restored(rig: TelemetryRig): Promise<Outcome> {
  await cutOff(rig);
  for (const device of victims) copy(rig.outboxOf(device), `${rig.outboxOf(device)}.copy`);
  await rig.mend('agents');
  await cutOff(rig);
  for (const device of victims) copy(`${rig.outboxOf(device)}.copy`, rig.outboxOf(device));
  return comeBack(rig, 'outbox-old-copy');
}

/** Those after the victims are the ones whose outbox is copied. */
async function cloned(rig: TelemetryRig, told: string): Promise<Outcome> {
  await cutOff(rig);
  for (const device of victims) copy(rig.outboxOf(device + struck), rig.outboxOf(device));
  return comeBack(rig, told);
}

function copy(from: string, to: string): void {
  for (const suffix of files) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
}

/** With all of it in the one file. */
function whole(file: string): Buffer {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  return readFileSync(file);
}

/** SQLite takes it for the end of what was committed, and goes on from an older state. */
function cutJournal(file: string): void {
  closeSync(openSync(`${file}-wal`, 'a'));
  truncateSync(`${file}-wal`, Math.floor(readFileSync(`${file}-wal`).length / 2));
  rmSync(`${file}-shm`, { force: true });
}

const flipBits = (random: () => number) => (file: string) => {
  const bytes = whole(file);
  for (let i = 0; i < 3; i++) {
    const at = Math.floor(random() * bytes.length);
    bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
  }
  writeFileSync(file, bytes);
};
