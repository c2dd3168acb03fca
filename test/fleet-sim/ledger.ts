import type { EventRecord, TelemetryRecord } from '@flotilla/protocol';

/** What one device knows it has kept for the control plane; each record by a number or a name that no other one has. */
export interface DeviceLedger {
  readonly windows: number[];
  readonly vitals: number[];
  /** Deployments that it has committed. */
  readonly committed: string[];
  /** Given up for want of room, by the same numbers. */
  readonly dropped: number[];
}
export type Ledger = Readonly<Record<string, DeviceLedger>>;

export const newDeviceLedger = (): DeviceLedger => ({ windows: [], vitals: [], committed: [], dropped: [] });

/** A window is told by the compute time that it names, vitals by the memory in use: `Distinct` keeps them apart. */
export function enter(ledger: DeviceLedger, record: EventRecord | TelemetryRecord): void {
  if (record.type === 'window') ledger.windows.push(record.computeCpuUs);
  else if (record.type === 'vitals') ledger.vitals.push(record.memoryUsedBytes);
  else if (record.type === 'update' && record.state === 'committed') ledger.committed.push(record.deployment);
}

/** Changes a measured number in its lower digits, so that no two of one device are the same. */
export class Distinct {
  #last = 0;

  of(measured: number): number {
    return measured - (measured % range) + (this.#last++ % range) + range * range * Math.floor(this.#last / range);
  }
}
/** A fleet that sends more than this of one device leaves the measured range, but stays distinct. */
const range = 10_000;
