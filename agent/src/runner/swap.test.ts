import { randomUUID } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import type { ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../fixtures/eventually.js';
import { GrpcClient, type Streamed, inferImages } from './fixtures/grpc-client.js';
import { Workshop, served } from './fixtures/orders.js';
import { Runners, allThree, boundSocket, boundUnixSocket, requireBuild } from './fixtures/runner-program.js';
import { anywhere, images, serve } from './fixtures/served.js';

beforeAll(requireBuild);
const workshop = new Workshop();
const runners = new Runners();
afterEach(async () => {
  runners.clear();
  await workshop.clear();
});

/** Asks over and over until it is told to stop, and counts what did not go well. */
class Load {
  readonly failures: string[] = [];
  answered = 0;
  #going = true;
  readonly #loops: Promise<void>[] = [];

  begin(ask: () => Promise<unknown>): void {
    const loop = async () => {
      while (this.#going)
        await ask().then(
          () => (this.answered += 1),
          (error: unknown) => this.failures.push(String(error)),
        );
    };
    this.#loops.push(loop());
  }

  async end(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#loops);
  }
}

const body = JSON.stringify({ inputs: [images()] });
const askRest = (where: { port: number } | { socketPath: string }, agent: Agent) =>
  new Promise<void>((resolve, reject) => {
    const path = '/v2/models/inspection/infer';
    const request = httpRequest({ ...where, host: '127.0.0.1', path, method: 'POST', agent }, (response) =>
      response.resume().on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`)))),
    );
    request.on('error', reject).end(body);
  });

/** One stream until it ends: what was asked, answered, and how it ended. */
function streamFor(client: GrpcClient, onAnswer: (ask: () => void) => void) {
  const stream = client.stream();
  const seen = { asked: 0, answers: [] as Streamed[] };
  const ask = () => {
    if (!stream.writable) return;
    stream.write(inferImages({ id: String(seen.asked) }));
    seen.asked += 1;
  };
  stream.on('data', (answer: Streamed) => {
    seen.answers.push(answer);
    onAnswer(ask);
  });
  const ended = new Promise<ServiceError | undefined>((resolve) =>
    stream.on('error', resolve).on('end', () => resolve(undefined)),
  );
  return { stream, ask, seen, ended };
}

describe('one runner takes over from another', () => {
  test('on all three sockets, and no unary request is lost', async () => {
    const path = join(await workshop.folder(), 'slot.sock');
    const [http, grpc, unix] = [boundSocket(), boundSocket(), boundUnixSocket(path)];
    const file = join(await workshop.folder(), 'p.jsonl');
    const order = served(await workshop.smallRelease('colour'), file, { listen: allThree });
    const begin = () =>
      runners.serving({ ...order, deployment: randomUUID() as typeof order.deployment }, http.fd, grpc.fd, unix.fd);
    let runner = await begin();

    const agent = new Agent({ keepAlive: true });
    const [tcp, local] = [new GrpcClient(`127.0.0.1:${grpc.port}`), new GrpcClient(`unix:${path}`)];
    const load = new Load();
    for (let i = 0; i < 2; i++) {
      load.begin(() => askRest({ port: http.port }, agent));
      load.begin(() => tcp.call('ModelInfer', inferImages()));
    }
    load.begin(() => askRest({ socketPath: path }, agent));
    load.begin(() => local.call('ModelInfer', inferImages()));
    const ends: string[] = [];
    const streams = new Load();
    streams.begin(async () => {
      const { ask, seen, ended, stream } = streamFor(tcp, (again) => (seen.answers.length < 5000 ? again() : stream.end()));
      ask();
      ends.push((await ended)?.details ?? 'ended by itself');
      expect(seen.answers.filter(({ error_message }) => error_message)).toEqual([]);
    });

    const swaps = 4;
    for (let swap = 0; swap < swaps; swap++) {
      const before = load.answered;
      const successor = await begin();
      runner.send({ type: 'drain', graceMs: 5000 });
      expect(await runner.ended).toEqual({ code: 0, signal: null });
      runner = successor;
      await eventually(() => load.answered > before + 100);
    }
    await load.end();
    const over = streams.end();
    runner.send({ type: 'drain', graceMs: 5000 });
    await over;
    await runner.ended;
    for (const closing of [agent.destroy.bind(agent), http.close, grpc.close, unix.close, () => tcp.close(), () => local.close()])
      closing();
    expect(load.failures).toEqual([]);
    expect(load.answered).toBeGreaterThan(400);
    expect(ends.length).toBeGreaterThanOrEqual(swaps);
    expect(ends.filter((end) => !end.startsWith('moved: '))).toEqual([]);
    expect(streams.failures).toEqual([]);
  }, 120_000);
});

describe('a stream', () => {
  test('gets every answer, a bad request its own error, and ends when the client has said all', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'), {}, { grpc: anywhere });
    const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`);
    const { stream, ask, seen, ended } = streamFor(client, () => undefined);
    for (let i = 0; i < 40; i++) ask();
    stream.write(inferImages({ id: 'bad', raw_input_contents: [Buffer.alloc(1)] }));
    ask();
    stream.end();
    expect(await ended).toBeUndefined();
    expect(seen.answers).toHaveLength(42);
    const bad = seen.answers.filter(({ error_message }) => error_message);
    expect(bad).toMatchObject([
      { error_message: expect.stringContaining('1 bytes of binary data'), infer_response: { id: 'bad' } },
    ]);
    const ids = seen.answers.map(({ infer_response }) => infer_response!.id).filter((id) => id !== 'bad');
    expect(new Set(ids).size).toBe(41);
    client.close();
    await slot.close();
  });

  test('has what came answered when the runner drains, and is then sent on', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'), {}, { grpc: anywhere });
    const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`);
    const { ask, seen, ended } = streamFor(client, () => undefined);
    for (let i = 0; i < 3; i++) ask();
    const metrics = async () => (await fetch(`${slot.base}/metrics`)).text();
    await eventually(async () => (await metrics()).includes('flotilla_inference_queue_depth{slot="inspection"} 2'));
    expect(await slot.serving.drain(20_000)).toBe(true);
    expect(await ended).toMatchObject({ code: 14, details: 'moved: another runner serves this slot now; open the stream again' });
    expect(new Set(seen.answers.map(({ infer_response }) => infer_response!.id))).toEqual(new Set(['0', '1', '2']));
    expect(seen.answers).toHaveLength(3);
    client.close();
    await slot.engine.close();
  });

  test('that nobody reads or writes on does not hold the drain up', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'), {}, { grpc: anywhere });
    const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`, {}, 'grpc.health.v1.Health');
    const watch = client.stream('Watch');
    const ended = new Promise((resolve) => watch.on('error', resolve));
    watch.write({});
    watch.end();
    await new Promise((resolve) => watch.once('data', resolve));
    const started = performance.now();
    expect(await slot.serving.drain(20_000)).toBe(true);
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(await ended).toMatchObject({ code: 14 });
    client.close();
    await slot.engine.close();
  });
});
