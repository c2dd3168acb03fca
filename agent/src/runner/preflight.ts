import type { PreflightFigures } from '../runner-protocol.js';
import type { Engine } from './engine/engine.js';
import { ReleaseFault } from './fault.js';
import { runGolden } from './golden.js';
import { type LoadOrder, type LoadedRelease, loadRelease } from './loading.js';
import type { LoadedNetwork } from './pipeline/graph/load-graph.js';
import { areVaried, probe } from './probe.js';
import { type Tensor, firstNonFinite } from './tensor.js';

const timedRuns = 20;
/** Some kernels move a thread's clock by about a millisecond: the runs of a small model go on until they amount to some of those. */
const leastCpuMs = 10;
const mostRuns = 400;

/** Proves a release on this machine. Throws a ReleaseFault that carries the figures known so far. */
export async function preflight(order: LoadOrder, engine: Engine, peakRssBytes: () => number): Promise<PreflightFigures> {
  return prove(await loadRelease(order, engine), order, engine, peakRssBytes);
}

/** The same for a release that is loaded already. */
export async function prove(
  release: LoadedRelease,
  order: LoadOrder,
  engine: Engine,
  peakRssBytes: () => number,
): Promise<PreflightFigures> {
  const { loadMs, provider, shortfall } = release.model;
  const figures: Partial<PreflightFigures> = {
    loadMs,
    provider,
    shortfall,
    batching: release.batching,
    goldenCases: 0,
  };
  try {
    // Golden first: a broken model that is slow too is broken above all.
    const inputs = await (release.networks
      ? checkGraph(release, release.networks, order, engine, figures)
      : checkModel(release, order, engine, figures));
    // What made-up inputs can't show is left to probation.
    if (inputs) figures.meanComputeMs = await checkComputeTime(release, inputs, order.maxComputeMs);
    figures.peakRssBytes = peakRssBytes();
    checkMemory(figures.peakRssBytes, order.maxRssBytes);
    return {
      ...figures,
      loadMs,
      goldenCases: figures.goldenCases ?? 0,
      peakRssBytes: figures.peakRssBytes,
    };
  } catch (error) {
    if (!(error instanceof ReleaseFault)) throw error;
    throw new ReleaseFault(error.failure, `${release.name}: ${error.message}`, {
      peakRssBytes: peakRssBytes(),
      ...figures,
      ...error.figures,
    });
  }
}

/** Inputs to take the time with; undefined where there are none that say something. */
type TimedWith = ((seed: number) => Tensor[]) | undefined;
type Probable = Pick<LoadedRelease, 'probes' | 'run'>;
const madeUp = ({ probes }: Pick<Probable, 'probes'>, seed: number): Tensor[] => probes.map((input) => probe(input, seed));

async function checkModel(
  release: LoadedRelease,
  { folder }: LoadOrder,
  engine: Engine,
  figures: Partial<PreflightFigures>,
): Promise<TimedWith> {
  const golden = await runGolden(release, folder, engine);
  if (golden) Object.assign(figures, { goldenCases: golden.cases, top1: golden.top1, cosine: golden.cosine });
  const isProven = release.unproven === undefined;
  checkHealth(golden?.outputs ?? (isProven ? await probeOutputs(release) : []));
  return isProven ? (seed) => madeUp(release, seed) : undefined;
}

/** Each network by itself, for the graph may never come to one of them with made-up pictures; the time is that of real ones, where there are any. */
async function checkGraph(
  release: LoadedRelease,
  networks: readonly LoadedNetwork[],
  { folder }: LoadOrder,
  engine: Engine,
  figures: Partial<PreflightFigures>,
): Promise<TimedWith> {
  const { runGraphGolden } = await import('./pipeline/graph/golden.js');
  const golden = await runGraphGolden({ ...release, networks }, folder);
  if (golden) Object.assign(figures, { goldenCases: golden.cases, top1: golden.agreeing });
  for (const { name, probes, unproven } of networks)
    if (unproven === undefined)
      checkHealth(await probeOutputs({ probes, run: (inputs) => engine.run(inputs, name) }), `${name}: `);
  return golden ? golden.picture : (seed) => madeUp(release, seed);
}

async function probeOutputs(probable: Probable): Promise<Tensor[][]> {
  const outputs: Tensor[][] = [];
  for (const seed of [1, 2, 3]) outputs.push((await probable.run(madeUp(probable, seed))).outputs);
  // Made-up integers and text are always the same: a model that takes only those can't be seen to be constant.
  return areVaried(probable.probes) ? outputs : outputs.slice(0, 1);
}

/** A model may be wrong by the golden set's lights; one that gives no numbers, or always the same ones, is ill. */
function checkHealth(answers: readonly Tensor[][], of = ''): void {
  for (const output of answers.flat()) {
    const index = firstNonFinite(output);
    if (index >= 0) throw new ReleaseFault('health', `${of}the output ${output.name} holds NaN or infinity at index ${index}`);
  }
  const [first, ...others] = answers.map((outputs) => outputs.map(({ data }) => data.join()).join(';'));
  if (others.length > 0 && others.every((other) => other === first))
    throw new ReleaseFault('health', `${of}the answer is the same for each of ${answers.length} different inputs`);
}

async function checkComputeTime({ run }: LoadedRelease, inputs: NonNullable<TimedWith>, maxComputeMs: number): Promise<number> {
  let [runs, cpuMs] = [0, 0];
  // A model far too slow is known to be so before all runs are through.
  const enough = () => cpuMs > timedRuns * maxComputeMs || (runs >= timedRuns && cpuMs >= leastCpuMs) || runs >= mostRuns;
  for (; !enough(); runs++) {
    cpuMs += (await run(inputs(runs))).cpuUs / 1000;
  }
  const meanComputeMs = cpuMs / runs;
  if (meanComputeMs > maxComputeMs) {
    const reason = `mean compute ${meanComputeMs.toFixed(1)} ms over ${runs} runs, the ceiling is ${maxComputeMs} ms`;
    throw new ReleaseFault('latency', reason, { meanComputeMs });
  }
  return meanComputeMs;
}

function checkMemory(peak: number, ceiling: number): void {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
  if (peak > ceiling)
    throw new ReleaseFault('memory', `took ${mb(peak)} MB at its peak, the ceiling is ${mb(ceiling)} MB`, { peakRssBytes: peak });
}
