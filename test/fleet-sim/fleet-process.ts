import { Child } from '../bench/child.js';
import type { FleetCounts, FleetQuestion, FleetUse, FloodReport, MakeOptions, OutboxLook } from './fleet-main.js';
import type { Air } from './faulty-air.js';
import type { FleetIdentity } from './identities.js';
import type { Ledger } from './ledger.js';

/** Simulated devices in a process of their own. */
export class FleetProcess {
  readonly #child = new Child(new URL('fleet-main.js', import.meta.url));

  get pid(): number {
    return this.#child.pid;
  }

  make = (identity: FleetIdentity, options: MakeOptions = {}): Promise<void> => this.#ask({ make: identity, options });
  join = (perS: number, withinMs: number): Promise<void> => this.#ask({ join: { perS, withinMs } });
  reported = (digest: string, withinMs: number): Promise<(number | null)[]> => this.#ask({ reported: digest, withinMs });
  /** All of them, whoever has fallen meanwhile. */
  welcomed = (withinMs: number): Promise<void> => this.#ask({ welcomed: withinMs });
  recordEvery = (windowS: number): Promise<void> => this.#ask({ recordEvery: windowS });
  record = (times: number, windowS: number): Promise<void> => this.#ask({ record: times, windowS });
  air = (air: Air): Promise<void> => this.#ask({ air });
  airCounts = (): Promise<{ lost: number; doubled: number; late: number }[]> => this.#ask({ look: 'air' });
  jump = (ms: number): Promise<void> => this.#ask({ jump: ms });
  outboxes = (): Promise<OutboxLook[]> => this.#ask({ look: 'outboxes' });
  flood = (upload: { windows: number; windowS: number }): Promise<void> => this.#ask({ flood: 'start', ...upload });
  flooded = (): Promise<FloodReport> => this.#ask({ flood: 'look' });
  dry = (): Promise<FloodReport> => this.#ask({ flood: 'stop' });
  drain = (withinMs: number): Promise<void> => this.#ask({ drain: withinMs });
  counts = (): Promise<FleetCounts> => this.#ask({ look: 'counts' });
  ledger = (): Promise<Ledger> => this.#ask({ look: 'ledger' });
  use = (): Promise<FleetUse> => this.#ask({ look: 'use' });

  async stop(): Promise<void> {
    await this.#ask({ stop: true });
    await this.#child.end();
  }

  end = (): Promise<void> => this.#child.end();

  #ask<T>(question: FleetQuestion): Promise<T> {
    return this.#child.ask<T>(question);
  }
}
