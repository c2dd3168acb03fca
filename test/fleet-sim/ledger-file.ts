import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { EventRecord, TelemetryRecord } from '@flotilla/protocol';
import { enter, keyOf, newDeviceLedger, noKeys, type Ledger, type RecordKey, type RecordKeys } from './ledger.js';

type Known = EventRecord | TelemetryRecord;
/** `+`: about to be kept, `=`: kept, `!`: acknowledged. */
type Mark = '+' | '=' | '!';

/** A ledger that outlives the process of its devices, whatever kills it. */
export class LedgerFile {
  readonly #fd: number;

  constructor(file: string) {
    this.#fd = openSync(file, 'a', 0o600);
  }

  keeping = (device: string, records: readonly Known[]): void => this.#write('+', device, records);
  kept = (device: string, records: readonly Known[]): void => this.#write('=', device, records);
  acknowledged = (device: string, records: readonly Known[]): void => this.#write('!', device, records);

  close(): void {
    closeSync(this.#fd);
  }

  /** In one write: what the kernel has, a SIGKILL does not take back. */
  #write(mark: Mark, device: string, records: readonly Known[]): void {
    const lines = records.flatMap((record) => {
      const known = keyOf(record);
      return known ? [`${mark} ${device} ${known.of} ${known.key}\n`] : [];
    });
    if (lines.length > 0) writeSync(this.#fd, lines.join(''));
  }
}

type Marked = Record<Mark, RecordKeys>;

/** What each device kept. Of `damaged` ones only what was acknowledged must be there: the rest may be. */
export function readLedger(file: string, damaged: (device: string) => boolean = () => false): Ledger {
  const devices = new Map<string, Marked>();
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []) {
    const [mark, device, of, key] = line.split(' ') as [Mark, string, RecordKey['of'], string];
    if (key === undefined) continue;
    if (!devices.has(device)) devices.set(device, { '+': noKeys(), '=': noKeys(), '!': noKeys() });
    enter(devices.get(device)![mark], of === 'committed' ? { of, key } : { of, key: Number(key) });
  }
  return Object.fromEntries([...devices].map(([device, marked]) => [device, ledgerOf(marked, damaged(device) ? '!' : '=')]));
}

function ledgerOf(marked: Marked, sure: Mark): Ledger[string] {
  const all = marked['+'];
  const must = marked[sure];
  const ledger = { ...newDeviceLedger(), ...must };
  ledger.maybe.windows.push(...rest(all.windows, must.windows));
  ledger.maybe.vitals.push(...rest(all.vitals, must.vitals));
  ledger.maybe.committed.push(...rest(all.committed, must.committed));
  return ledger;
}

/** What is in the first and not in the second, as bags. */
function rest<K>(all: readonly K[], some: readonly K[]): K[] {
  const taken = new Map<K, number>();
  for (const key of some) taken.set(key, (taken.get(key) ?? 0) + 1);
  return all.filter((key) => {
    const left = taken.get(key) ?? 0;
    if (left > 0) taken.set(key, left - 1);
    return left === 0;
  });
}
