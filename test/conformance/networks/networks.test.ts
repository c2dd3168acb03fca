import { basename, dirname } from 'node:path';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { inferBinary } from '@flotilla/agent/runner/fixtures/binary';
import { serve } from '@flotilla/agent/runner/fixtures/served';
import { OrtEngine } from '@flotilla/agent/runner/engine/ort-engine';
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

test('every datatype comes back over the wire bit by bit, and is read as the same number', async () => {
  const { inputs, outputs } = await readDatatypes();
  const workshop = new Workshop();
  const signature = ({ name, type, shape }: (typeof inputs)[number]) => ({ name, type, shape });
  const release = await workshop.smallRelease('colour', {
    inputs: inputs.map(signature),
    outputs: outputs.map(signature),
    preprocess: [],
    postprocess: [],
  });
  const manifest = {
    ...release.manifest,
    variants: [{ file: basename(datatypesModel), precision: 'fp32' as const, providers: ['cpu'] }],
  };
  const slot = await serve(workshop, {
    ...release,
    manifest,
    folder: dirname(datatypesModel),
    variant: basename(datatypesModel),
  } as typeof release);
  const blobs = inputs.map(({ hex }) => Buffer.from(hex, 'hex'));
  const head = {
    parameters: { binary_data_output: true },
    inputs: inputs.map(({ name, type }, i) => ({
      name,
      datatype: type,
      shape: [2, 2],
      parameters: { binary_data_size: blobs[i]!.length },
    })),
  };
  const answer = await inferBinary(slot, { head, blobs });
  expect(answer.error).toBeUndefined();
  expect(answer.outputs.map(({ name, datatype, binary }) => ({ name, type: datatype, hex: binary!.toString('hex') }))).toEqual(
    outputs.map(({ name, type, hex }) => ({ name, type, hex })),
  );
  await slot.close();
  await workshop.clear();
});
