import { cpus, freemem, totalmem } from 'node:os';
import type { Vitals } from '@flotilla/protocol/device';
import type { BoardLog } from './board-log.js';

/** What this machine felt like since the last sample; the caller knows when and where that belongs. */
type VitalsSample = Pick<
  Vitals,
  | 'cpu'
  | 'memoryUsedBytes'
  | 'memoryTotalBytes'
  | 'supervisorRssBytes'
  | 'temperatureC'
  | 'throttled'
  | 'powerW'
  | 'gpu'
  | 'gpuMHz'
>;

interface CpuTimes {
  readonly busy: number;
  readonly all: number;
}

export class VitalsSampler {
  readonly #board: Pick<BoardLog, 'felt'>;
  #last = cpuTimes();

  constructor(board: Pick<BoardLog, 'felt'>) {
    this.#board = board;
  }

  /** Of what the board went through between two moments of the supervisor's uptime. */
  sample(start: number, end: number): VitalsSample {
    const before = this.#last;
    this.#last = cpuTimes();
    return {
      cpu: busyShare(before, this.#last),
      memoryUsedBytes: Math.max(0, totalmem() - freemem()),
      memoryTotalBytes: totalmem(),
      supervisorRssBytes: process.memoryUsage.rss(),
      ...this.#board.felt(start, end),
    };
  }
}

export function busyShare(before: CpuTimes, after: CpuTimes): number {
  const all = after.all - before.all;
  return all <= 0 ? 0 : Math.min(1, Math.max(0, (after.busy - before.busy) / all));
}

function cpuTimes(): CpuTimes {
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy, all: busy + idle };
}
