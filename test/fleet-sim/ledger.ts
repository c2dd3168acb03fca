import type { EventRecord, TelemetryRecord } from '@flotilla/protocol';

/** Records by a number or a name that no other one of the device has. */
export interface RecordKeys {
  readonly windows: number[];
  readonly vitals: number[];
  /** Deployments that it has committed. */
  readonly committed: string[];
}
/** What one device knows it has kept for the control plane. */
export interface DeviceLedger extends RecordKeys {
  /** Given up for want of room, by the same numbers. */
  readonly dropped: number[];
  /** May have arrived or not: what was being kept when the device died, or was in an outbox that was destroyed. */
  readonly maybe: RecordKeys;
}
export type Ledger = Readonly<Record<string, DeviceLedger>>;

export const noKeys = (): RecordKeys => ({ windows: [], vitals: [], committed: [] });
export const newDeviceLedger = (): DeviceLedger => ({ ...noKeys(), dropped: [], maybe: noKeys() });

export type RecordKey = { of: 'windows' | 'vitals'; key: number } | { of: 'committed'; key: string };

/** A window is told by the compute time that it names, vitals by the memory in use: `Distinct` keeps them apart. Other records are not compared. */
export function keyOf(record: EventRecord | TelemetryRecord): RecordKey | undefined {
  if (record.type === 'window') return { of: 'windows', key: record.computeCpuUs };
  if (record.type === 'vitals') return { of: 'vitals', key: record.memoryUsedBytes };
  if (record.type === 'update' && record.state === 'committed') return { of: 'committed', key: record.deployment };
  return undefined;
}

export function enter(ledger: RecordKeys, key: RecordKey | undefined): void {
  if (key?.of === 'committed') ledger.committed.push(key.key);
  else if (key) ledger[key.of].push(key.key);
}

/** Changes a measured number in its lower digits, so that no two of one device are the same, in whichever of its lives. */
export class Distinct {
  #last = 0;
  readonly #base: number;

  constructor(life = 0) {
    this.#base = life * lifeRange;
  }

  of(measured: number): number {
    const n = this.#last++;
    return this.#base + measured - (measured % range) + (n % range) + range * range * Math.floor(n / range);
  }
}
/** A fleet that sends more than this of one device leaves the measured range, but stays distinct. */
const range = 10_000;
/** A count is at most 2^40: that makes 31 lives. */
const lifeRange = 2 ** 35;
