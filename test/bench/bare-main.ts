import ort from 'onnxruntime-node';
import { answerParent } from './child.js';
import type { ModelUnderTest } from './models.js';
import { quantile } from './statistics.js';

export type BareQuestion = { load: ModelUnderTest } | { runForMs: number };
export type BareRun = { perSecond: number; p50Ms: number };

let run: (() => Promise<unknown>) | undefined;

/** ONNX Runtime alone, with one thread: the same tensor again and again, nothing read, nothing sent. */
async function load({ path, inputs }: ModelUnderTest): Promise<void> {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  const feeds = Object.fromEntries(
    inputs.map(({ name, shape }) => {
      const dimensions = shape.map((dimension) => Math.max(1, dimension));
      const elements = dimensions.reduce((product, dimension) => product * dimension, 1);
      return [name, new ort.Tensor('float32', new Float32Array(elements).fill(0.5), dimensions)];
    }),
  );
  run = () => session.run(feeds);
  for (let i = 0; i < 20; i++) await run();
}

async function measure(ms: number): Promise<BareRun> {
  if (!run) throw new Error('no model is loaded');
  const times: number[] = [];
  const begun = performance.now();
  let now = begun;
  while (now - begun < ms) {
    await run();
    const after = performance.now();
    times.push(after - now);
    now = after;
  }
  return { perSecond: (times.length * 1000) / (now - begun), p50Ms: quantile(times, 0.5) };
}

answerParent<BareQuestion>((question) => ('load' in question ? load(question.load) : measure(question.runForMs)));
