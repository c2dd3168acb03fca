import { cpus, freemem, totalmem } from 'node:os';
import type { Vitals } from '@flotilla/protocol';
import type { Profile } from '@flotilla/firmware-profiles';
import type { Sensors } from './sensors.js';

/** What this machine felt like since the last sample; the caller knows when and where that belongs. */
export type VitalsSample = Pick<
  Vitals,
  'cpu' | 'memoryUsedBytes' | 'memoryTotalBytes' | 'supervisorRssBytes' | 'temperatureC' | 'throttled' | 'powerW'
>;

export interface CpuTimes {
  readonly busy: number;
  readonly all: number;
}

export class VitalsSampler {
  readonly #profile: Pick<Profile, 'thermal'>;
  readonly #sensors: Sensors;
  #last = cpuTimes();

  constructor(profile: Pick<Profile, 'thermal'>, sensors: Sensors) {
    this.#profile = profile;
    this.#sensors = sensors;
  }

  sample(): VitalsSample {
    const before = this.#last;
    this.#last = cpuTimes();
    return {
      cpu: busyShare(before, this.#last),
      memoryUsedBytes: Math.max(0, totalmem() - freemem()),
      memoryTotalBytes: totalmem(),
      supervisorRssBytes: process.memoryUsage.rss(),
      ...sensed(this.#profile, this.#sensors),
    };
  }
}

export function busyShare(before: CpuTimes, after: CpuTimes): number {
  const all = after.all - before.all;
  return all <= 0 ? 0 : Math.min(1, Math.max(0, (after.busy - before.busy) / all));
}

/** Throttled: so hot that the hardware slows itself down, or too weakly supplied. Absent without a sensor that could tell. */
export function sensed({ thermal }: Pick<Profile, 'thermal'>, { temperatureC, powerW, undervoltage }: Sensors) {
  const celsius = temperatureC?.();
  const watts = powerW?.();
  const weak = undervoltage?.();
  const hot = celsius === undefined || thermal.throttleC === undefined ? undefined : celsius >= thermal.throttleC;
  const throttled = hot === undefined && weak === undefined ? undefined : hot === true || (weak ?? 0) > 0;
  return {
    ...(celsius !== undefined && { temperatureC: celsius }),
    ...(watts !== undefined && { powerW: watts }),
    ...(throttled !== undefined && { throttled }),
  };
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
