import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Echo, datatypes, serveEcho, wire } from '../fixtures/binary.js';
import { GrpcClient, type Infer, imagesInput, inferImages, rawImages, refusal } from '../fixtures/grpc-client.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, anywhere, images, serve } from '../fixtures/served.js';

const workshop = new Workshop();
let slot: Served;
let client: GrpcClient;
beforeAll(async () => {
  slot = await serve(workshop, await workshop.smallRelease('colour'), {}, { grpc: anywhere });
  client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`);
});
afterAll(async () => {
  client.close();
  await slot.close();
  await workshop.clear();
});

const scores = (answer: Infer) => [...new Float32Array(new Uint8Array(answer.raw_output_contents[0]!).buffer)];

describe('what is asked about the server and its model', () => {
  test.each([
    ['ServerLive', {}, { live: true }],
    ['ServerReady', {}, { ready: true }],
    ['ModelReady', { name: 'inspection', version: '1.0.0' }, { ready: true }],
    ['ServerMetadata', {}, { name: 'flotilla', extensions: expect.arrayContaining(['binary_tensor_data']) as unknown }],
    [
      'ModelMetadata',
      { name: 'inspection' },
      {
        name: 'inspection',
        versions: ['1.0.0'],
        platform: 'onnx_onnxv1',
        inputs: [{ name: 'images', datatype: 'FP32', shape: ['1', '3', '8', '8'] }],
        outputs: [{ name: 'scores', datatype: 'FP32', shape: ['1', '3'] }],
      },
    ],
    ['RepositoryIndex', {}, { models: [{ name: 'inspection', version: '1.0.0', state: 'READY' }] }],
    ['SystemSharedMemoryStatus', {}, {}],
    ['CudaSharedMemoryStatus', {}, {}],
    ['SystemSharedMemoryUnregister', {}, {}],
  ])('%s is answered', async (method, request, expected) => {
    expect(await client.call(method, request)).toMatchObject(expected);
  });

  test('ModelConfig is what the model configuration extension says', async () => {
    const { config } = await client.call<{ config: object }>('ModelConfig', { name: 'inspection' });
    expect(config).toMatchObject({
      name: 'inspection',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      version_policy: { latest: { num_versions: 1 } },
      input: [{ name: 'images', data_type: 'TYPE_FP32', dims: ['1', '3', '8', '8'] }],
      output: [{ name: 'scores', data_type: 'TYPE_FP32', dims: ['1', '3'] }],
      instance_group: [{ name: 'inspection_0', kind: 'KIND_CPU', count: 1 }],
      default_model_filename: 'model.onnx',
    });
  });

  test('ModelStatistics count what was inferred', async () => {
    type Statistics = { model_stats: { inference_count: string; inference_stats: { success: { count: string; ns: string } } }[] };
    const read = async () => (await client.call<Statistics>('ModelStatistics', {})).model_stats[0]!;
    const before = await read();
    await client.call('ModelInfer', inferImages());
    const after = await read();
    const count = ({ inference_stats }: typeof after) => Number(inference_stats.success?.count ?? 0);
    expect([count(after) - count(before), Number(after.inference_count) - Number(before.inference_count ?? 0)]).toEqual([1, 1]);
    expect(Number(after.inference_stats.success.ns)).toBeGreaterThan(0);
  });

  test.each([
    ['RepositoryModelLoad', { model_name: 'inspection' }, /decided by its assignment in the fleet/],
    ['RepositoryModelUnload', { model_name: 'inspection' }, /assign another release/],
    ['SystemSharedMemoryRegister', { name: 'x' }, /^shared memory is not offered; send tensors in the message/],
    ['CudaSharedMemoryRegister', { name: 'x' }, /^shared memory is not offered/],
    ['TraceSetting', {}, /set in agent\.yaml/],
    ['LogSettings', {}, /set in agent\.yaml/],
  ])('%s says why it is not offered', async (method, request, why) => {
    expect(await refusal(client.call(method, request))).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringMatching(why),
    });
  });

  test.each([
    ['another model', { name: 'x' }, 'there is no model "x" here; this slot is "inspection"'],
    [
      'another version',
      { name: 'inspection', version: '2.0.0' },
      'version "2.0.0" does not run here; inspection runs colours 1.0.0',
    ],
  ] as [string, { name: string; version?: string }, string][])(
    '%s is not found, in the words of REST',
    async (_what, request, details) => {
      for (const method of ['ModelReady', 'ModelMetadata', 'ModelConfig', 'ModelStatistics'])
        expect(await refusal(client.call(method, request))).toMatchObject({ code: status.NOT_FOUND, details });
      const rest = await fetch(`${slot.base}/v2/models/${request.name}${request.version ? `/versions/${request.version}` : ''}`);
      expect([rest.status, await rest.json()]).toEqual([404, { error: details }]);
    },
  );
});

describe('an inference', () => {
  test('is answered raw, with its id', async () => {
    const answer = await client.call<Infer>('ModelInfer', inferImages({ id: 'seven', model_version: '1.0.0' }));
    expect(answer).toMatchObject({
      model_name: 'inspection',
      model_version: '1.0.0',
      id: 'seven',
      outputs: [{ name: 'scores', datatype: 'FP32', shape: ['1', '3'] }],
    });
    expect(scores(answer)).toEqual([4, 4, 4]);
  });

  test('takes typed contents as well', async () => {
    const inputs = [{ ...imagesInput, contents: { fp32_contents: Array.from({ length: 192 }, () => 0.5) } }];
    expect(scores(await client.call<Infer>('ModelInfer', { model_name: 'inspection', inputs }))).toEqual([4, 4, 4]);
  });

  test('answers with the outputs that were asked for', async () => {
    const answer = await client.call<Infer>('ModelInfer', inferImages({ outputs: [{ name: 'scores' }] }));
    expect(answer.outputs).toHaveLength(1);
  });

  const fewer = Buffer.alloc(4);
  test.each<[string, object, number, string | RegExp]>([
    ['an unknown model', { model_name: 'x' }, status.NOT_FOUND, 'there is no model "x" here; this slot is "inspection"'],
    ['another version', { model_version: '3.0.0' }, status.NOT_FOUND, /inspection runs colours 1\.0\.0$/],
    ['no input', { inputs: [], raw_input_contents: [] }, status.INVALID_ARGUMENT, /^input "images" is missing; the model takes/],
    ['an unknown input', { inputs: [{ ...imagesInput, name: 'x' }] }, status.INVALID_ARGUMENT, /^there is no input "x"/],
    ['another type', { inputs: [{ ...imagesInput, datatype: 'INT8' }] }, 3, 'input "images" came as INT8, expected FP32'],
    [
      'another shape',
      { inputs: [{ ...imagesInput, shape: [1, 192] }] },
      3,
      /^input "images" came with shape \[1,192\], expected \[1,3,8,8\]/,
    ],
    [
      'a negative dimension',
      { inputs: [{ ...imagesInput, shape: [-1, 3, 8, 8] }] },
      3,
      /came with shape \[-1,3,8,8\]; a dimension is/,
    ],
    ['nine dimensions', { inputs: [{ ...imagesInput, shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] }] }, 3, /more than 8 dimensions/],
    ['too few bytes', { raw_input_contents: [fewer] }, 3, /^input "images" came with 4 bytes of binary data, expected 768/],
    ['a tensor too many', { raw_input_contents: [rawImages, fewer] }, 3, /^raw_input_contents has 2 tensors for 1 inputs/],
    ['nothing in it', { raw_input_contents: [] }, 3, 'input "images" came with 0 values, expected 192 for shape [1,3,8,8]'],
    [
      'both ways at once',
      { inputs: [{ ...imagesInput, contents: { fp32_contents: [1] } }] },
      3,
      /^input "images" has typed contents beside raw_input_contents/,
    ],
    [
      'contents of another type',
      { inputs: [{ ...imagesInput, contents: { int_contents: [1] } }], raw_input_contents: [] },
      3,
      'input "images" came with int_contents, expected fp32_contents for FP32',
    ],
    ['an unknown output', { outputs: [{ name: 'x' }] }, 3, 'there is no output "x"; the model gives scores FP32 [1,3]'],
    [
      'classification',
      { outputs: [{ name: 'scores', parameters: { classification: { int64_param: 3 } } }] },
      3,
      /^output "scores": classification is not offered/,
    ],
    [
      'shared memory',
      { inputs: [{ ...imagesInput, parameters: { shared_memory_region: { string_param: 'r' } } }] },
      3,
      /^input "images" names a shared_memory_region; shared memory is not offered/,
    ],
    ['a priority that is none', { parameters: { priority: { int64_param: 9 } } }, 3, /^parameters\.priority: /],
    ['too long an id', { id: 'x'.repeat(1025) }, 3, /^id: it has 1025 characters/],
  ])('with %s is refused', async (_what, overrides, code, details) => {
    const failure = await refusal(client.call('ModelInfer', inferImages(overrides as Record<string, unknown>)));
    expect(failure).toMatchObject({ code, details: typeof details === 'string' ? details : expect.stringMatching(details) });
  });

  test('that is no message at all is refused', async () => {
    for (const bytes of [[0x0a, 0x7f], [0x07], [0xff, 0xff], [0x08, 0x80], [0x0a, 0x01, 0xff]])
      expect(await refusal(client.infer(Buffer.from(bytes)))).toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: expect.stringMatching(/^the message can't be read: /),
      });
  });

  test('larger than the limit is refused before it is held', async () => {
    const failure = await refusal(client.infer(Buffer.alloc(128 * 1024 * 1024 + 1)));
    expect(failure).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/^the message has 134217729 bytes, more than/),
    });
  });

  test('is refused like over REST', async () => {
    const failure = await refusal(client.call('ModelInfer', inferImages({ inputs: [{ ...imagesInput, shape: [3, 8, 8] }] })));
    const rest = await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images({ shape: [3, 8, 8] })] }));
    expect(await rest.json()).toEqual({ error: failure.details });
  });

  test('may come and go compressed', async () => {
    const zipped = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`, { 'grpc.default_compression_algorithm': 2 });
    expect(scores(await zipped.call<Infer>('ModelInfer', inferImages()))).toEqual([4, 4, 4]);
    zipped.close();
  });

  test('whose deadline can not be kept is refused when it comes', async () => {
    const slow = await serve(workshop, await workshop.smallRelease('slow'), {}, { grpc: anywhere });
    const other = new GrpcClient(`127.0.0.1:${slow.ports.grpc}`);
    await other.call('ModelInfer', inferImages());
    const running = [other.call('ModelInfer', inferImages()), other.call('ModelInfer', inferImages())];
    const metadata = new Metadata();
    // As a client's deadline travels; the client itself would give up before it heard the refusal.
    metadata.set('grpc-timeout', '1m');
    const failure = await refusal(other.call('ModelInfer', inferImages(), { metadata }));
    expect(failure).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      // What of it the way here and back takes is not waited for.
      details: expect.stringMatching(/within [01] ms; try again later$/),
    });
    expect(Number(failure.metadata.get('grpc-retry-pushback-ms')[0])).toBeGreaterThan(0);
    await Promise.all(running);
    other.close();
    await slow.close();
  });
});

describe('every datatype', () => {
  const echoes = new Map<string, { echo: Echo; client: GrpcClient }>();
  beforeAll(async () => {
    for (const type of ['FP32', 'UINT16'] as const) {
      const echo = await serveEcho(workshop, type, { grpc: anywhere });
      echoes.set(type, { echo, client: new GrpcClient(`127.0.0.1:${echo.slot.ports.grpc}`) });
    }
  });
  afterAll(async () => {
    for (const { echo, client: its } of echoes.values()) {
      its.close();
      await echo.slot.close();
    }
  });
  const modelOf = (type: string) => [...echoes.values()].find(({ echo }) => echo.inputs.some((input) => input.type === type))!;

  test.each(datatypes)('%s comes back as it went, raw', async (type) => {
    const { echo, client: its } = modelOf(type);
    const inputs = echo.inputs.map(({ name, type: datatype, shape }) => ({ name, datatype, shape: shape.map(() => 2) }));
    const raw = echo.inputs.map((input) => (input.shape.length === 0 ? wire[input.type].subarray(0, 4) : wire[input.type]));
    const answer = await its.call<Infer>('ModelInfer', { model_name: 'inspection', inputs, raw_input_contents: raw });
    const at = answer.outputs.findIndex(({ datatype, shape }) => datatype === type && (shape ?? []).length === 2);
    expect(answer.raw_output_contents[at]).toEqual(wire[type]);
  });
});
