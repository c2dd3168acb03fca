import { readFile } from 'node:fs/promises';
import ort from 'onnxruntime-node';
import sharp from 'sharp';
import { answerParent } from './child.js';
import type { BareRun } from './bare-main.js';
import type { ModelUnderTest } from './models.js';
import { quantile } from './statistics.js';

export type DecodeQuestion = { load: ModelUnderTest; pictures: string[] } | { runForMs: number };

sharp.concurrency(1);
sharp.cache(false);
let pass: (() => Promise<unknown>) | undefined;

/** sharp and ONNX Runtime with one thread, and nothing else: a picture is decoded, then a tensor that lies ready is inferred. */
async function load({ path, inputs }: ModelUnderTest, files: readonly string[]): Promise<void> {
  const pictures = await Promise.all(files.map((file) => readFile(file)));
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  const [{ name, shape }] = inputs as [ModelUnderTest['inputs'][number]];
  const elements = shape.reduce((product, dimension) => product * dimension, 1);
  const feeds = { [name]: new ort.Tensor('float32', new Float32Array(elements).fill(0.5), shape) };
  let next = 0;
  pass = async () => {
    await sharp(pictures[next++ % pictures.length])
      .raw()
      .toBuffer();
    await session.run(feeds);
  };
  for (let i = 0; i < 20; i++) await pass();
}

async function measure(ms: number): Promise<BareRun> {
  if (!pass) throw new Error('no model is loaded');
  const times: number[] = [];
  const begun = performance.now();
  let now = begun;
  while (now - begun < ms) {
    await pass();
    const after = performance.now();
    times.push(after - now);
    now = after;
  }
  return { perSecond: (times.length * 1000) / (now - begun), p50Ms: quantile(times, 0.5) };
}

answerParent<DecodeQuestion>((question) =>
  'load' in question ? load(question.load, question.pictures) : measure(question.runForMs),
);
