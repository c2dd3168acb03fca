import { rssMb } from './process-use.js';
import { LoadClient, unfailing } from './load.js';
import type { Figure } from './figure.js';
import { bytesOf, deepMlp } from './models.js';
import type { PartOptions } from './predict-part.js';
import { benchSlot, serveModel } from './served-model.js';
import { estimate, quantile } from './statistics.js';

const times = 5;
const deadlineMs = 100;
const roundMs = 1000;
/** Enough that the client is never the bottleneck: what is due finds a free one. */
const connections = 256;

const flooding = { ms: roundMs, whenBusy: 'leave-out' } as const;

/** Five times the capacity in an open loop: how much of the capacity still comes in time. */
export async function overload({ log, rounds }: PartOptions): Promise<Record<string, Figure>> {
  const served = await serveModel(deepMlp, log);
  const call = { slot: benchSlot, inputs: deepMlp.inputs, outputBytes: bytesOf(deepMlp.outputs) };
  const steady = await LoadClient.connected('rest', served.targets.rest, call, 2);
  const flood = await LoadClient.connected('rest', served.targets.rest, { ...call, timeoutMs: deadlineMs }, connections);
  try {
    const capacity = unfailing(await steady.closedLoop(2, roundMs)).perSecond;
    await flood.openLoop({ ...flooding, perSecond: capacity * times });
    const before = await rssMb(served.pid);
    const [goodput, accepted]: [number[], number[]] = [[], []];
    let [shed, unsent] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const { perSecond } = unfailing(await steady.closedLoop(2, roundMs));
      const flooded = await flood.openLoop({ ...flooding, perSecond: perSecond * times });
      unfailing(flooded);
      const inTime = flooded.timesMs.filter((ms) => ms <= deadlineMs).length;
      goodput.push(inTime / flooded.seconds / perSecond);
      accepted.push(...flooded.timesMs);
      shed += flooded.shed;
      unsent += flooded.unsent;
    }
    log(`  ${accepted.length} answered, ${shed} refused, ${unsent} could not be sent`);
    const growth = (await rssMb(served.pid)) / before;
    const { median, interval } = estimate(goodput);
    return {
      overload_goodput_ratio: { value: median, interval, unit: 'ratio', reach: '>= 0.9' },
      overload_p99_ms: { value: quantile(accepted, 0.99), unit: 'ms', reach: `<= ${deadlineMs}` },
      overload_rss_growth_ratio: { value: growth, unit: 'ratio', reach: '<= 1.05' },
    };
  } finally {
    await Promise.all([steady.end(), flood.end(), served.end()]);
  }
}
