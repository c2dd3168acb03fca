import { Child } from '../bench/child.js';
import type { FleetCounts, FleetQuestion, FleetUse, FloodReport } from './fleet-main.js';
import type { FleetIdentity } from './identities.js';
import type { Ledger } from './ledger.js';

type Options = Extract<FleetQuestion, { make: object }>['options'];

/** Simulated devices in a process of their own. */
export class FleetProcess {
  readonly #child = new Child(new URL('fleet-main.js', import.meta.url));

  get pid(): number {
    return this.#child.pid;
  }

  make = (identity: FleetIdentity, options: Options = {}): Promise<void> => this.#ask({ make: identity, options });
  join = (perS: number, withinMs: number): Promise<void> => this.#ask({ join: { perS, withinMs } });
  reported = (digest: string, withinMs: number): Promise<(number | null)[]> => this.#ask({ reported: digest, withinMs });
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
