import { fileURLToPath } from 'node:url';
// The same pictures through sharp and onnxruntime-node: node test/models/make/check.mjs [--time]
// Prints how far the preprocessing, the golden outputs and the expected outputs are from Python's.
import { readFile } from 'node:fs/promises';
import ort from 'onnxruntime-node';
import sharp from 'sharp';

const root = new URL('../', import.meta.url);
const json = async (path) => JSON.parse(await readFile(new URL(path, root), 'utf8'));
const versions = ['1.0.0', '1.1.0', '1.2.0', '1.3.0'];
const size = 224;

async function tensor(path, kernel = 'linear') {
  const upright = sharp(await readFile(new URL(path, root)), { ignoreIcc: true })
    .autoOrient()
    .toColourspace('srgb')
    .removeAlpha();
  const { data: pixels, info } = await upright.raw().toBuffer({ resolveWithObject: true });
  const short = Math.round(size / 0.875);
  const [width, height] =
    info.width <= info.height
      ? [short, Math.round((info.height * short) / info.width)]
      : [Math.round((info.width * short) / info.height), short];
  const crop = { left: Math.floor((width - size) / 2), top: Math.floor((height - size) / 2), width: size, height: size };
  const { data } = await sharp(pixels, { raw: info })
    .resize({ width, height, fit: 'fill', kernel, fastShrinkOnLoad: false })
    .extract(crop)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const values = new Float32Array(3 * size * size);
  for (let i = 0; i < size * size; i++) for (let c = 0; c < 3; c++) values[c * size * size + i] = (data[i * 3 + c] - 127) / 128;
  return values;
}

const session = (version) =>
  ort.InferenceSession.create(fileURLToPath(new URL(`releases/${version}/model.int8.onnx`, root)), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
const run = async (network, values) =>
  (await network.run({ images: new ort.Tensor('float32', values, [1, 3, size, size]) })).scores.data;
const argmax = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
const distance = (a, b) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const softmax = (values) => {
  const most = values.reduce((a, b) => Math.max(a, b));
  const raised = Array.from(values, (value) => Math.exp(value - most));
  const sum = raised.reduce((a, b) => a + b);
  return raised.map((value) => value / sum);
};

const sessions = Object.fromEntries(await Promise.all(versions.map(async (version) => [version, await session(version)])));
const { cases } = await json('golden/cases.json');
for (const { name, input, tensor: wanted } of cases) {
  const sampled = (values) => values.filter((_, i) => i % wanted.stride === 0);
  const right = distance(wanted.values, sampled(await tensor(`golden/${input}`)));
  const wrong = distance(wanted.values, sampled(await tensor(`golden/${input}`, 'nearest')));
  console.log(`tensor ${name}: off by ${right.toFixed(4)}, nearest neighbour ${wrong.toFixed(4)}, tolerance ${wanted.tolerance}`);
}
for (const version of versions) {
  const found = await Promise.all(
    cases.map(async ({ input, output }) => ({ output, scores: await run(sessions[version], await tensor(`golden/${input}`)) })),
  );
  const right = found.filter(({ output, scores }) => argmax(scores) === output.top[0].index).length;
  console.log(
    `golden ${version}: ${right} of ${cases.length}, least cosine ${Math.min(...found.map(({ output, scores }) => cosine(output.values, scores))).toFixed(4)}`,
  );
}
for (const version of ['1.0.0', '1.2.0']) {
  for (const { file, top, scores } of (await json(`expected/${version}.json`)).photographs) {
    const own = await run(sessions[version], await tensor(`photographs/${file}`));
    const shares = softmax(own);
    const off = Math.max(...top.map(({ index, score }) => Math.abs(score - shares[index])));
    const same = argmax(own) === top[0].index ? 'same' : `other (margin ${(top[0].score - top[1].score).toFixed(3)})`;
    console.log(
      `expected ${version} ${file}: ${same} top-1, scores off by ${off.toFixed(4)}, cosine ${cosine(scores, own).toFixed(5)}`,
    );
  }
}
if (process.argv.includes('--time')) {
  const values = await tensor('photographs/coffee.jpg');
  const times = Object.fromEntries(versions.map((version) => [version, []]));
  for (let round = -2; round < 25; round++)
    for (const version of versions) {
      const start = process.cpuUsage();
      for (let i = 0; i < 3; i++) await run(sessions[version], values);
      const { user, system } = process.cpuUsage(start);
      if (round >= 0) times[version].push((user + system) / 3000);
    }
  for (const version of versions)
    console.log(`compute ${version}: mean ${(times[version].reduce((a, b) => a + b) / 25).toFixed(2)} ms`);
}
