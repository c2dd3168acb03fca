import { basename, dirname } from 'node:path';
import { type Datatype, type InputSignature, Manifest, type TensorSignature } from '@flotilla/protocol';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { inferBinary } from '@flotilla/agent/runner/fixtures/binary';
import { serve } from '@flotilla/agent/runner/fixtures/served';
import { OrtEngine } from '@flotilla/agent/runner/engine/ort-engine';
import { preflight } from '@flotilla/agent/runner/preflight';
import { type Tensor, numbersOf } from '@flotilla/agent/runner/tensor';
import { afterAll, describe, expect, test } from 'vitest';
import { type ExpectedOutput, datatypesModel, modelFile, readDatatypes, readNetwork } from './expected.js';
import { inputsOf } from './inputs.js';

const networks = [
  'efficientnet-lite0-int8',
  'blazeface',
  'silero-vad',
  'ppocr-direction',
  'ppocr-detection',
  'ppocr-recognition',
];

describe.each(networks)("%s answers as Python's onnxruntime does", async (name) => {
  const network = await readNetwork(name);
  const engine = new OrtEngine();
  afterAll(() => engine.close());
  let previous: Tensor[] = [];

  test('its signature', async () => {
    const { inputs, outputs } = await engine.load({ path: modelFile(network.model), intraOpThreads: 1 });
    expect({ inputs, outputs }).toEqual({ inputs: network.inputs, outputs: network.outputs });
  });

  test.each(network.cases)('$name', async (expected) => {
    const { outputs } = await engine.run(await inputsOf(network, expected, previous));
    previous = outputs;
    expect(outputs.map((output) => output.name)).toEqual(expected.outputs.map((output) => output.name));
    expected.outputs.forEach((output, i) => compare(outputs[i]!, output, network.tolerance));
  });
});

/** `tolerance` is for one value, in units of the output's greatest; a sum may be off by as much in every one of its terms. */
function compare(actual: Tensor, expected: ExpectedOutput, tolerance: number): void {
  const { name, type, shape, stride } = expected;
  expect(actual).toMatchObject({ name, type, shape });
  const values = Array.from(numbersOf(actual));
  const unit = Math.max(1, expected.greatest) * tolerance;
  const farthest = Math.max(...expected.values.map((value, i) => Math.abs(value - values[i * stride]!)));
  expect(farthest, `${name}: the farthest of ${expected.values.length} values`).toBeLessThanOrEqual(unit);
  const sum = values.reduce((total, value) => total + value, 0);
  expect(Math.abs(sum - expected.sum), `${name}: the sum`).toBeLessThanOrEqual(unit * values.length);
  if (expected.argmax) expect(rowsOf(values, shape.at(-1)!).map(indexOfGreatest), `${name}: argmax`).toEqual(expected.argmax);
}

const rowsOf = (values: readonly number[], width: number) =>
  Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
const indexOfGreatest = (row: readonly number[]) => row.reduce((best, value, i) => (value > row[best]! ? i : best), 0);

/** A release of a model file as it lies there, with nothing before or after it. */
async function releaseOf(workshop: Workshop, path: string, ends: { inputs: InputSignature[]; outputs: TensorSignature[] }) {
  const { inputs, outputs } = ends;
  const release = await workshop.smallRelease('colour', { inputs, outputs, preprocess: [], postprocess: [] });
  const variant = basename(path);
  const manifest = Manifest.parse({
    ...release.manifest,
    variants: [{ file: variant, precision: 'fp32', providers: ['cpu'] }],
    files: release.manifest.files.map((file) => ({ ...file, path: variant })),
  });
  return { ...release, manifest, folder: dirname(path), variant };
}

/** What made-up inputs would not be taken for: a window of samples after 64 that came before, and their rate. */
const examples: Readonly<Record<string, InputSignature['example']>> = { input: { shape: [1, 576] }, sr: { value: 16_000 } };
const withExamples = (inputs: readonly TensorSignature[]): InputSignature[] =>
  inputs.map((input) => ({ ...input, example: examples[input.name] }));

type Binary = { name: string; type: Datatype; shape: readonly number[]; bytes: Buffer };

const requestOf = (inputs: readonly Binary[]) => ({
  head: {
    parameters: { binary_data_output: true },
    inputs: inputs.map(({ name, type, shape, bytes }) => ({
      name,
      datatype: type,
      shape,
      parameters: { binary_data_size: bytes.length },
    })),
  },
  blobs: inputs.map(({ bytes }) => bytes),
});

describe('over REST', () => {
  const workshop = new Workshop();
  afterAll(() => workshop.clear());

  test.each(['ppocr-detection', 'blazeface', 'silero-vad'])('%s answers the same', async (name) => {
    const network = await readNetwork(name);
    const ends = { ...network, inputs: withExamples(network.inputs) };
    const slot = await serve(workshop, await releaseOf(workshop, modelFile(network.model), ends));
    let previous: Tensor[] = [];
    for (const expected of network.cases) {
      const inputs = await inputsOf(network, expected, previous);
      const binary = inputs.map(({ data, ...input }) => ({
        ...input,
        bytes: Buffer.from((data as Float32Array<ArrayBuffer>).buffer),
      }));
      const { outputs } = await inferBinary(slot, requestOf(binary));
      previous = outputs.map(({ name: output, shape, binary: bytes }) => {
        const data = new Float32Array(new Uint8Array(bytes!).buffer);
        return { name: output, type: 'FP32', shape, data };
      });
      expected.outputs.forEach((output, i) => compare(previous[i]!, output, network.tolerance));
    }
    await slot.close();
  });

  test('every datatype comes back bit by bit, and is read as the same number', async () => {
    const { inputs, outputs } = await readDatatypes();
    const signature = ({ name, type, shape }: TensorSignature) => ({ name, type, shape });
    const ends = { inputs: inputs.map(signature), outputs: outputs.map(signature) };
    const slot = await serve(workshop, await releaseOf(workshop, datatypesModel, ends));
    const answer = await inferBinary(
      slot,
      requestOf(inputs.map((input) => ({ ...input, shape: [2, 2], bytes: Buffer.from(input.hex, 'hex') }))),
    );
    expect(answer.error).toBeUndefined();
    const came = answer.outputs.map(({ name, datatype, binary }) => ({ name, type: datatype, hex: binary!.toString('hex') }));
    expect(came).toEqual(outputs.map(({ name, type, hex }) => ({ name, type, hex })));
    await slot.close();
  });
});

describe('a model that takes no made-up input', () => {
  const workshop = new Workshop();
  afterAll(() => workshop.clear());
  const figures = async (inputsFrom: (inputs: TensorSignature[]) => InputSignature[]) => {
    const network = await readNetwork('silero-vad');
    const ends = { ...network, inputs: inputsFrom(network.inputs) };
    const engine = new OrtEngine();
    try {
      return await preflight(await releaseOf(workshop, modelFile(network.model), ends), engine, () => 1);
    } finally {
      await engine.close();
    }
  };

  test('is timed with its examples', async () => {
    expect((await figures(withExamples)).meanComputeMs).toBeGreaterThan(0);
  });

  test('passes its preflight without them as well, and its compute time is not told', async () => {
    const { meanComputeMs, peakRssBytes } = await figures((inputs) => inputs);
    expect({ meanComputeMs, peakRssBytes }).toEqual({ meanComputeMs: undefined, peakRssBytes: 1 });
  });
});
