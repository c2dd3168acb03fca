import { Child } from './child.js';
import type { ClientQuestion } from './client-main.js';
import type { LoadResult, OpenLoop } from './loops.js';
import { quantile } from './statistics.js';
import type { Call, Target, TransportName } from './transports/transport.js';

/** Load from a process of its own. */
export class LoadClient {
  readonly #child = new Child(new URL('client-main.js', import.meta.url));

  static async connected(transport: TransportName, target: Target, call: Call, connections: number): Promise<LoadClient> {
    const client = new LoadClient();
    await client.#ask({ connect: { transport, target, call, connections } });
    return client;
  }

  closedLoop(clients: number, ms: number): Promise<LoadResult> {
    return this.#ask({ closedLoop: { clients, ms } });
  }

  openLoop(openLoop: OpenLoop): Promise<LoadResult> {
    return this.#ask({ openLoop });
  }

  end(): Promise<void> {
    return this.#child.end();
  }

  #ask<T>(question: ClientQuestion): Promise<T> {
    return this.#child.ask<T>(question);
  }
}

/** Throws where any failed: a bench of a server that fails measures nothing. */
export function unfailing(result: LoadResult): { perSecond: number; p50Ms: number; p99Ms: number } {
  const [first] = result.failures;
  if (first) throw new Error(`${first.count} of ${result.timesMs.length + first.count} requests failed: ${first.reason}`);
  const times = [...result.timesMs];
  return { perSecond: times.length / result.seconds, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}
