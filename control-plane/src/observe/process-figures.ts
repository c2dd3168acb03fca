import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FamilyName, Reading } from './families.js';

/** What this process costs, since it was made. */
export class ProcessFigures {
  readonly #delay = monitorEventLoopDelay();

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  read(): [FamilyName, Reading[]][] {
    const { user, system } = process.cpuUsage();
    const late = this.#delay.percentile(99) / 1e9;
    this.#delay.reset();
    return [
      ['process_resident_memory_bytes', [{ value: process.memoryUsage.rss() }]],
      ['process_cpu_seconds', [{ value: (user + system) / 1e6 }]],
      ['nodejs_eventloop_delay_p99_seconds', [{ value: late }]],
    ];
  }
}
