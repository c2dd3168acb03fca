import type { PreflightFigures } from '../runner-protocol.js';
import type { Engine } from './engine/engine.js';
import { ReleaseFault } from './fault.js';
import { runGolden } from './golden.js';
import { type LoadOrder, type LoadedRelease, loadRelease } from './loading.js';
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
    const golden = await runGolden(release, order.folder, engine);
    if (golden) Object.assign(figures, { goldenCases: golden.cases, top1: golden.top1, cosine: golden.cosine });
    // What made-up inputs can't show is left to probation.
    checkHealth(golden?.outputs ?? (release.unproven === undefined ? await probeOutputs(release, engine) : []));
    if (release.unproven === undefined) figures.meanComputeMs = await checkComputeTime(release, engine, order.maxComputeMs);
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

const madeUp = ({ probes }: LoadedRelease, seed: number): Tensor[] => probes.map((input) => probe(input, seed));

async function probeOutputs(release: LoadedRelease, engine: Engine): Promise<Tensor[][]> {
  const outputs: Tensor[][] = [];
  for (const seed of [1, 2, 3]) outputs.push((await engine.run(madeUp(release, seed))).outputs);
  // Made-up integers and text are always the same: a model that takes only those can't be seen to be constant.
  return areVaried(release.probes) ? outputs : outputs.slice(0, 1);
}

/** A model may be wrong by the golden set's lights; one that gives no numbers, or always the same ones, is ill. */
function checkHealth(answers: readonly Tensor[][]): void {
  for (const output of answers.flat()) {
    const index = firstNonFinite(output);
    if (index >= 0) throw new ReleaseFault('health', `the output ${output.name} holds NaN or infinity at index ${index}`);
  }
  const [first, ...others] = answers.map((outputs) => outputs.map(({ data }) => data.join()).join(';'));
  if (others.length > 0 && others.every((other) => other === first))
    throw new ReleaseFault('health', `the answer is the same for each of ${answers.length} different inputs`);
}

async function checkComputeTime(release: LoadedRelease, engine: Engine, maxComputeMs: number): Promise<number> {
  let [runs, cpuMs] = [0, 0];
  // A model far too slow is known to be so before all runs are through.
  const enough = () => cpuMs > timedRuns * maxComputeMs || (runs >= timedRuns && cpuMs >= leastCpuMs) || runs >= mostRuns;
  for (; !enough(); runs++) {
    cpuMs += (await engine.run(madeUp(release, runs))).cpuUs / 1000;
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
