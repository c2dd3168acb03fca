import { readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../fixtures/eventually.js';
import { GrpcClient, inferImages } from './fixtures/grpc-client.js';
import { postFrame } from './fixtures/frames.js';
import { Workshop } from './fixtures/orders.js';
import { type Served, anywhere, images, picture, serve, sum, windows } from './fixtures/served.js';

const workshop = new Workshop();
const body = JSON.stringify({ inputs: [images()] });
/** How many wait, as a client sees it. */
const depth = async ({ base }: Served) =>
  Number(/queue_depth\{.*\} (\d+)/.exec(await (await fetch(`${base}/metrics`)).text())![1]);

describe('windows and heartbeats', () => {
  afterEach(() => workshop.clear());

  test('are sent without traffic too, and follow a change of length', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'), { windowS: 1000 });
    slot.serving.configure({ windowS: 0.05 });
    await eventually(() => windows(slot.sent).length >= 3);
    expect(windows(slot.sent)[1]).toMatchObject({ ok: 0, errors: 0, variant: 'model.onnx', classes: {} });
    await eventually(() => slot.sent.some((m) => m.type === 'heartbeat' && m.ok === 0 && m.rssBytes > 1e7));
    await slot.close();
  });
});

describe('a source', () => {
  afterEach(() => workshop.clear());

  test('feeds the model through the gateway; a broken picture is an error that names it', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    expect(await postFrame(slot.base, await picture('red'), { name: 'a-red.png' })).toMatchObject({ status: 200 });
    expect(await postFrame(slot.base, Buffer.from('no picture'), { name: 'b-broken.jpg' })).toMatchObject({
      status: 400,
      error: expect.stringContaining('it is no picture that can be read'),
    });
    expect(await postFrame(slot.base, await picture('blue'), { name: 'c-blue.png' })).toMatchObject({ status: 200 });
    await slot.close();
    expect([sum(slot.sent, 'ok'), sum(slot.sent, 'errors')]).toEqual([2, 1]);
    const lines = (await readFile(slot.file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      { source: 'a-red.png', seq: 0, top: [{ label: 'red' }, {}] },
      { source: 'c-blue.png', seq: 1, top: [{ label: 'blue' }, {}] },
    ]);
  });

  test('a model that fails shows a run of errors in the heartbeat', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('nan'));
    for (let i = 0; i < 6; i++) expect(await postFrame(slot.base, await picture('red'))).toMatchObject({ status: 500 });
    const beat = await eventually(() => slot.sent.find((m) => m.type === 'heartbeat' && m.errors > 5));
    expect(beat).toMatchObject({ ok: 0, consecutiveErrors: 6 });
    await slot.close();
  });
});

describe('draining', () => {
  afterEach(() => workshop.clear());

  /** Asks on kept connections, as many as are asked for at once. */
  const asker = (slot: Served, agent: Agent) => (method: string, path: string, body?: string) =>
    new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      const request = httpRequest(slot.base + path, { method, agent, headers: { 'content-type': 'application/json' } });
      request.on('response', (response) =>
        response.resume().on('end', () => resolve({ status: response.statusCode, connection: response.headers.connection })),
      );
      request.on('error', reject).end(body);
    });

  test('loses no request that was under way, and sends the last window', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'), { windowS: 1000 });
    const agent = new Agent({ keepAlive: true });
    const ask = asker(slot, agent);
    await Promise.all(Array.from({ length: 10 }, () => ask('GET', '/readyz')));
    const underWay = Promise.all(
      Array.from({ length: 10 }, () => ask('POST', '/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }))),
    );
    await eventually(() => slot.engine.stats().inFlight > 0);
    const drained = slot.serving.drain(20_000);
    expect((await underWay).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(await drained).toBe(true);
    expect(sum(slot.sent, 'ok')).toBe(10);
    await expect(fetch(slot.base)).rejects.toThrow('fetch failed');
    agent.destroy();
    await slot.engine.close();
  });

  test('answers on an idle connection during the grace, and closes it with that', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = asker(slot, agent);
    expect(await ask('GET', '/readyz')).toMatchObject({ status: 200, connection: 'keep-alive' });
    const drained = slot.serving.drain(20_000);
    expect(await ask('GET', '/readyz')).toEqual({ status: 503, connection: 'close' });
    expect(await drained).toBe(true);
    await slot.engine.close();
  });

  test('closes a connection that stays idle after the grace, long before the deadline', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await asker(slot, agent)('GET', '/readyz');
    const started = performance.now();
    expect(await slot.serving.drain(20_000)).toBe(true);
    expect(performance.now() - started).toBeGreaterThan(900);
    expect(performance.now() - started).toBeLessThan(15_000);
    agent.destroy();
    await slot.engine.close();
  });

  test('ends at the deadline, says that something was still computed, and computes no more for those that it left', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'));
    const lost = Promise.allSettled(
      Array.from({ length: 20 }, () => slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }))),
    );
    await eventually(async () => (await depth(slot)) >= 8);
    expect(await slot.serving.drain(100)).toBe(false);
    expect(slot.engine.stats().inFlight).toBe(1);
    await lost;
    await eventually(() => slot.engine.stats().inFlight === 0);
    expect(slot.engine.stats().runs).toBeLessThan(3 + 20);
    await slot.engine.close();
  });
});

describe('an inference whose client goes away before its turn is not computed, and counts for nothing', () => {
  afterEach(() => workshop.clear());
  const twenty = <T>(make: () => T) => Array.from({ length: 20 }, make);
  const overRest = ({ post }: Served) => {
    const cut = new AbortController();
    for (const asked of twenty(() => post('/v2/models/inspection/infer', body, 'application/json', cut.signal)))
      asked.catch(() => undefined);
    return () => cut.abort();
  };
  const overGrpc = (method: 'ModelInfer' | 'ModelStreamInfer', calls: number) => (slot: Served) => {
    const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`);
    const streams = Array.from({ length: calls }, () => client.stream(method).on('error', () => undefined));
    for (const [i] of twenty(() => undefined).entries()) streams[i % calls]!.write(inferImages());
    if (method === 'ModelInfer') for (const stream of streams) stream.end();
    return () => {
      for (const stream of streams) stream.cancel();
      client.close();
    };
  };

  test.each<[string, (slot: Served) => () => void]>([
    ['REST', overRest],
    ['gRPC', overGrpc('ModelInfer', 20)],
    ['a stream of gRPC', overGrpc('ModelStreamInfer', 1)],
  ])('over %s', async (_way, ask) => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'), { windowS: 1000 }, { grpc: anywhere });
    const warmUp = slot.engine.stats().runs;
    const leave = ask(slot);
    await eventually(async () => (await depth(slot)) >= 10);
    leave();
    await eventually(async () => (await depth(slot)) === 0 && slot.engine.stats().inFlight === 0);
    expect(slot.engine.stats().runs).toBeLessThan(warmUp + 20);
    expect((await slot.post('/v2/models/inspection/infer', body)).status).toBe(200);
    await slot.close();
    expect([sum(slot.sent, 'errors'), sum(slot.sent, 'sheds')]).toEqual([0, 0]);
    expect(slot.log.lines).toEqual([]);
  });
});
