import type { Figure } from './figure.js';
import { LoadClient, unfailing } from './load.js';
import { bytesOf, wideMlp } from './models.js';
import type { PartOptions } from './predict-part.js';
import { benchSlot, serveModel } from './served-model.js';
import { estimate } from './statistics.js';

const clients = 16;
const roundMs = 500;
const batched = { batching: { maxBatch: 8, maxDelayMs: 0 } };

/** Throughput of a release that declares batching, over the same without, with many clients. */
export async function batching({ log, rounds }: PartOptions): Promise<Record<string, Figure>> {
  const served = [await serveModel(wideMlp, log), await serveModel(wideMlp, log, batched)];
  const call = { slot: benchSlot, inputs: wideMlp.inputs, outputBytes: bytesOf(wideMlp.outputs) };
  const loads = await Promise.all(served.map(({ targets }) => LoadClient.connected('rest', targets.rest, call, clients)));
  try {
    for (const load of loads) await load.closedLoop(clients, roundMs);
    const gains: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const [plain, together] = [await loads[0]!.closedLoop(clients, roundMs), await loads[1]!.closedLoop(clients, roundMs)];
      gains.push(unfailing(together).perSecond / unfailing(plain).perSecond);
    }
    const { median, interval } = estimate(gains);
    return { batching_gain: { value: median, interval, unit: 'ratio', reach: '>= 1.5' } };
  } finally {
    await Promise.all([...loads, ...served].map((part) => part.end()));
  }
}
