import { setTimeout as delay } from 'node:timers/promises';
import { Child } from './child.js';
import { LoadClient, unfailing } from './load.js';
import type { LoadResult } from './loops.js';
import type { Bench, Figure } from './figure.js';
import { blazeface, bytesOf } from './models.js';
import { childrenOf, rssMb } from './process-use.js';
import type { StreamReport } from './prediction-tally.js';
import type { PredictionsQuestion } from './predictions-main.js';
import { benchSlot, type Targets } from './served-model.js';
import { quantile } from './statistics.js';
import { SwapTally } from './swap-tally.js';
import type { SupervisorQuestion } from './swap-supervisor-main.js';
import type { TransportName } from './transports/transport.js';

/** Short enough that a swap fills several, long enough for a percentile. */
const windowMs = 500;
/** Swaps before memory is read for the first time. */
const warmUpSwaps = 3;
const connections = 4;
const call = { slot: benchSlot, inputs: blazeface.inputs, outputBytes: bytesOf(blazeface.outputs) };
const unary = { rest: 'rest', grpc: 'grpc', unix: 'rest' } as const satisfies Record<keyof Targets, TransportName>;

/** Two releases in turn, at half of what the slot can take, on all transports at once. */
export const swap: Bench = {
  about: 'swaps under load: REST keep-alive, unary gRPC and UNIX socket, streams of both kinds apart [--swaps N]',
  async run(log, flags) {
    const swaps = flags.count('swaps', 100);
    const supervisor = new Child(new URL('swap-supervisor-main.js', import.meta.url));
    const tell = (what: SupervisorQuestion) => supervisor.ask<Targets>({ do: what });
    const loads = new Map<string, LoadClient>();
    const predictions = new Child(new URL('predictions-main.js', import.meta.url));
    try {
      const targets = await tell('start');
      for (const via of ['rest', 'grpc', 'unix'] as const)
        loads.set(via, await LoadClient.connected(unary[via], targets[via], call, connections));
      loads.set('stream', await LoadClient.connected('grpcStream', targets.grpc, call, connections));
      const capacity = unfailing(await loads.get('rest')!.closedLoop(2, 2000)).perSecond;
      log(`${swaps} swaps at ${(capacity / 2).toFixed(0)} requests a second, half of the capacity`);
      const ask = (ms: number) => windowOf(loads, capacity / 2, ms);
      await predictions.ask({ begin: targets.rest } satisfies PredictionsQuestion);
      const figures = await swapping({ swaps, log, ask, swapOnce: () => tell('swap'), rss: () => memoryMb(supervisor.pid) });
      return { ...figures, ...streamFigures(await predictions.ask({ end: true } satisfies PredictionsQuestion), log) };
    } finally {
      await predictions.end();
      await Promise.all([...loads.values()].map((load) => load.end()));
      await tell('stop').catch((error: unknown) => log(String(error)));
      await supervisor.end();
    }
  },
};

type Window = Map<string, LoadResult>;
type Swapping = {
  swaps: number;
  log: (line: string) => void;
  ask: (ms: number) => Promise<Window>;
  swapOnce: () => Promise<unknown>;
  rss: () => Promise<number>;
};

/** A steady window before each swap, so that both kinds see the same machine. */
async function swapping({ swaps, log, ask, swapOnce, rss }: Swapping): Promise<Record<string, Figure>> {
  const tally = new SwapTally();
  const memory: number[] = [];
  for (let i = 0; i < swaps + warmUpSwaps; i++) {
    tally.steady(await ask(windowMs));
    if (i >= warmUpSwaps) memory.push(await rss());
    const state = { done: false };
    const swapped = swapOnce().then(() => (state.done = true));
    // One more after the end: the incumbent still answers what came to it.
    for (let last = false; !last;) {
      last = state.done;
      tally.during(await ask(windowMs));
    }
    await swapped;
  }
  tally.report(log);
  const quarter = Math.max(1, Math.floor(memory.length / 4));
  const [first, last] = [quantile(memory.slice(0, quarter), 0.5), quantile(memory.slice(-quarter), 0.5)];
  log(`  supervisor and runner hold ${first.toFixed(0)} MB at first, ${last.toFixed(0)} MB at last`);
  return {
    failed_requests: { value: tally.failed, unit: 'count', reach: '0' },
    p99_ratio: { value: tally.p99Ratio, unit: 'ratio', reach: '<= 3' },
    rss_growth_ratio: { value: last / first, unit: 'ratio', reach: '<= 1.05' },
  };
}

function streamFigures({ events, moved, lost, failures }: StreamReport, log: (line: string) => void): Record<string, Figure> {
  log(
    `  events  ${events} predictions told, ${lost} lost, ${moved} times sent on to the next runner, ${failures.length} failures`,
  );
  for (const reason of new Set(failures)) log(`    ${reason}`);
  return { lost_events: { value: lost + failures.length, unit: 'count', reach: '0' } };
}

/** All transports at once, in equal parts. */
async function windowOf(loads: ReadonlyMap<string, LoadClient>, perSecond: number, ms: number): Promise<Window> {
  const results = [...loads].map(
    async ([via, load]) => [via, await load.openLoop({ perSecond: perSecond / loads.size, ms, whenBusy: 'wait' })] as const,
  );
  return new Map(await Promise.all(results));
}

/** The supervisor and the one runner that serves; an incumbent still leaving is waited for. */
async function memoryMb(supervisor: number): Promise<number> {
  let runners = await childrenOf(supervisor);
  for (; runners.length > 1; runners = await childrenOf(supervisor)) await delay(50);
  const held = await Promise.all([supervisor, ...runners].map(rssMb));
  return held.reduce((sum, mb) => sum + mb, 0);
}
