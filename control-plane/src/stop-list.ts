import type { Logger } from './platform/logger.js';

type Stop = { what: string; stop: () => unknown };

/** What has been started, to be stopped in the reverse order; one that fails to stop does not keep the others running. */
export class StopList {
  readonly #stops: Stop[] = [];
  #stopping: Promise<void> | undefined;

  constructor(private readonly log: Logger) {}

  add(what: string, stop: () => unknown): void {
    this.#stops.push({ what, stop });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const { what, stop } of this.#stops.toReversed()) {
      const began = performance.now();
      try {
        await stop();
        this.log.debug({ what, ms: Math.round(performance.now() - began) }, 'stopped');
      } catch (error) {
        this.log.error({ err: error, what }, 'could not be stopped');
      }
    }
  }
}
