import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Echo, binaryRequest, inferBinary, serveEcho, zeros } from '../fixtures/binary.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve } from '../fixtures/served.js';

const workshop = new Workshop();
let slot: Served;
let echo: Echo;
beforeAll(async () => {
  slot = await serve(workshop, await workshop.smallRelease('colour'));
  echo = await serveEcho(workshop, 'FP32');
});
afterAll(async () => {
  await Promise.all([slot.close(), echo.slot.close()]);
  await workshop.clear();
});
const get = async (path: string, of = slot) => (await (await fetch(of.base + path)).json()) as Record<string, unknown>;
const post = async (path: string, body = '') => {
  const response = await slot.post(path, body);
  return [response.status, await response.json()] as const;
};

test('the statistics count what was asked, the same by every path to them', async () => {
  for (let i = 0; i < 3; i++) await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }));
  const statistics = await get('/v2/models/inspection/stats');
  expect(statistics).toMatchObject({
    model_stats: [
      { name: 'inspection', version: '1.0.0', inference_count: 3, execution_count: 3, batch_stats: [{ batch_size: 1 }] },
    ],
  });
  expect(await get('/v2/models/inspection/versions/1.0.0/stats')).toEqual(statistics);
  expect(await get('/v2/models/stats')).toEqual(statistics);
  await inferBinary(echo.slot, binaryRequest(echo.inputs, zeros));
  expect(await get('/v2/models/stats', echo.slot)).toMatchObject({ model_stats: [{ inference_count: 2, execution_count: 1 }] });
});

test('the configuration has the batch dimension left out where it is free', async () => {
  expect(await get('/v2/models/inspection/config')).toMatchObject({
    platform: 'onnxruntime_onnx',
    max_batch_size: 0,
    input: [{ name: 'images', data_type: 'TYPE_FP32', dims: [1, 3, 8, 8] }],
  });
  const { max_batch_size: most, input } = await get('/v2/models/inspection/config', echo.slot);
  expect(most).toBeGreaterThan(0);
  expect(input).toContainEqual(expect.objectContaining({ name: 'text_in', data_type: 'TYPE_STRING', dims: [2] }));
});

test('the repository has the release that runs, and is changed by the control plane only', async () => {
  const running = [{ name: 'inspection', version: '1.0.0', state: 'READY', reason: '' }];
  expect(await post('/v2/repository/index')).toEqual([200, running]);
  expect(await post('/v2/repository/index', '{"ready":true}')).toEqual([200, running]);
  for (const change of ['load', 'unload'])
    expect(await post(`/v2/repository/models/inspection/${change}`, '{"parameters":{}}')).toEqual([
      403,
      { error: expect.stringMatching(/^which release a slot runs is assigned from the control plane; /) },
    ]);
  expect((await post('/v2/repository/models/other/load'))[0]).toBe(404);
});

test('there is no shared memory, and what is refused says why', async () => {
  expect([await get('/v2/systemsharedmemory/status'), await get('/v2/cudasharedmemory/status')]).toEqual([[], []]);
  expect(await post('/v2/systemsharedmemory/region/a/register', '{}')).toEqual([
    403,
    { error: 'shared memory is not offered; send tensors in the body, as binary data' },
  ]);
  expect((await post('/v2/systemsharedmemory/unregister'))[0]).toBe(200);
  expect((await get('/v2/trace/setting'))['error']).toMatch(/^tracing is not offered; /);
  expect((await get('/v2/models/inspection/trace/setting'))['error']).toMatch(/^tracing is not offered; /);
  expect((await get('/v2/logging'))['error']).toMatch(/"logLevel" in agent.yaml/);
});

test('of a release that is batched, the configuration says how far, and an execution counts once for all in it', async () => {
  const signature = (name: string, width: number) => [{ name, type: 'FP32' as const, shape: [-1, width] }];
  const batched = { inputs: signature('x', 256), outputs: signature('scores', 16), batching: { maxBatch: 8, maxDelayMs: 5 } };
  const order = await workshop.smallRelease('mlp', { preprocess: [], postprocess: [], ...batched });
  const mlp = await serve(workshop, { ...order, workers: 2, batching: { on: true, gain: 2 } });
  expect(await get('/v2/models/inspection/config', mlp)).toMatchObject({
    max_batch_size: 8,
    dynamic_batching: {},
    instance_group: [{ count: 2 }],
  });
  const x = { name: 'x', datatype: 'FP32', shape: [1, 256], data: Array.from({ length: 256 }, () => 0.5) };
  const body = JSON.stringify({ inputs: [x] });
  const asked = await Promise.all(Array.from({ length: 40 }, () => mlp.post('/v2/models/inspection/infer', body)));
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([200]));
  type Batches = { batch_size: number; compute_infer: { count: number } }[];
  const { model_stats: stats } = await get('/v2/models/stats', mlp);
  const [seen] = stats as { inference_count: number; execution_count: number; batch_stats: Batches }[];
  expect(seen!.inference_count).toBe(40);
  expect(seen!.execution_count).toBeLessThan(40);
  expect(seen!.batch_stats.reduce((sum, { batch_size: size, compute_infer: { count } }) => sum + size * count, 0)).toBe(40);
  await mlp.close();
});
