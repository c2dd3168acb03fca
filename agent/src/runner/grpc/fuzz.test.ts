import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type Socket, connect, createServer } from 'node:net';
import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Echo, serveEcho, wire, zeros } from '../fixtures/binary.js';
import { eventually } from '../../fixtures/eventually.js';
import { type Failure, GrpcClient } from '../fixtures/grpc-client.js';
import { allowedGrowthBytes, heldBytes } from '../fixtures/held-memory.js';
import { Workshop } from '../fixtures/orders.js';
import { anywhere, sum, windows } from '../fixtures/served.js';
import { GrpcServer } from './server.js';

/** More of them, for a night: FLOTILLA_FUZZ_RUNS=10000 npx vitest run agent/src/runner/grpc/fuzz.test.ts */
const runs = Number(process.env['FLOTILLA_FUZZ_RUNS'] ?? 300);
const workshop = new Workshop();
let echo: Echo;
let client: GrpcClient;
beforeAll(async () => {
  echo = await serveEcho(workshop, 'FP32', { grpc: anywhere });
  client = new GrpcClient(`127.0.0.1:${echo.slot.ports.grpc}`);
});
afterAll(async () => {
  client.close();
  await echo.slot.close();
  await workshop.clear();
});

type Message = { inputs: Record<string, unknown>[]; raw_input_contents: Buffer[]; [key: string]: unknown };
/** A request in its parts, and the cuts and bytes that its encoded form suffers afterwards. */
type Parts = { message: Message; bytes?: (encoded: Buffer) => Buffer };
type Mutation = (parts: Parts) => void;

const good = (): Message => ({
  model_name: 'inspection',
  inputs: echo.inputs.map(({ name, type: datatype }) => ({ name, datatype, shape: [2, 2] })),
  raw_input_contents: echo.inputs.map(({ type }) => zeros[type]),
});
const some = <T>(items: T[], index: number): T | undefined => items[index % Math.max(1, items.length)];

const parameter = fc.oneof(
  fc.record({ bool_param: fc.boolean() }),
  fc.record({ int64_param: fc.oneof(fc.integer(), fc.constantFrom(-1, 4, '9223372036854775807')) }),
  fc.record({ string_param: fc.string() }),
  fc.record({ double_param: fc.double() }),
);
const key = fc.constantFrom('priority', 'timeout', 'classification', 'shared_memory_region', 'binary_data', '__proto__', 'x');
const contents = fc.oneof(
  fc.record({ fp32_contents: fc.array(fc.float(), { maxLength: 6 }) }),
  fc.record({ int_contents: fc.array(fc.integer(), { maxLength: 6 }) }),
  fc.record({ int64_contents: fc.array(fc.integer(), { maxLength: 6 }) }),
  fc.record({ uint_contents: fc.array(fc.nat(), { maxLength: 6 }) }),
  fc.record({ bool_contents: fc.array(fc.boolean(), { maxLength: 6 }), bytes_contents: fc.constant([Buffer.from([0xff])]) }),
  fc.constant({}),
);
const dimension = fc.oneof(fc.nat(5), fc.constantFrom(-1, 2 ** 31, '9223372036854775807', '-9223372036854775808'));
const junk = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(8), fc.constantFrom('name', 'datatype'), fc.oneof(fc.string(), fc.constantFrom('FP32', 'BF16', 'fp16_in'))).map(
    ([index, field, value]): Mutation =>
      ({ message }) =>
        void Object.assign(some(message.inputs, index) ?? {}, { [field]: value }),
  ),
  fc.tuple(fc.nat(8), fc.array(dimension, { maxLength: 10 })).map(
    ([index, shape]): Mutation =>
      ({ message }) =>
        void Object.assign(some(message.inputs, index) ?? {}, { shape }),
  ),
  fc.tuple(fc.nat(8), contents).map(
    ([index, given]): Mutation =>
      ({ message }) =>
        void Object.assign(some(message.inputs, index) ?? {}, { contents: given }),
  ),
  contents.map((given): Mutation => ({ message }) => {
    message.raw_input_contents = [];
    for (const input of message.inputs) input['contents'] = given;
  }),
  fc.tuple(fc.nat(8), junk).map(
    ([index, bytes]): Mutation =>
      ({ message }) =>
        void (message.raw_input_contents[index] = bytes),
  ),
  fc.nat(8).map(
    (index): Mutation =>
      ({ message }) =>
        void message.raw_input_contents.splice(index, 1),
  ),
  fc.nat(8).map(
    (index): Mutation =>
      ({ message }) =>
        void message.inputs.push(...message.inputs.splice(0, index)),
  ),
  fc.nat(8).map(
    (index): Mutation =>
      ({ message }) =>
        void message.inputs.push({ ...some(message.inputs, index) }),
  ),
  fc.tuple(fc.constantFrom('model_name', 'model_version', 'id'), fc.string({ maxLength: 2000 })).map(
    ([field, value]): Mutation =>
      ({ message }) =>
        void (message[field] = value),
  ),
  fc.dictionary(key, parameter).map(
    (parameters): Mutation =>
      ({ message }) =>
        void (message['parameters'] = parameters),
  ),
  fc.array(fc.record({ name: fc.constantFrom('fp32_out', 'text_out', 'x'), parameters: fc.dictionary(key, parameter) })).map(
    (outputs): Mutation =>
      ({ message }) =>
        void (message['outputs'] = outputs),
  ),
  fc.double({ min: 0, max: 1, noNaN: true }).map(
    (share): Mutation =>
      (parts) =>
        void (parts.bytes = (encoded) => encoded.subarray(0, Math.floor(encoded.length * share))),
  ),
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, byte]): Mutation =>
      (parts) =>
        void (parts.bytes = (encoded) => {
          if (encoded.length > 0) encoded[at % encoded.length] = byte;
          return encoded;
        }),
  ),
  junk.map(
    (bytes): Mutation =>
      (parts) =>
        void (parts.bytes = (encoded) => Buffer.concat([encoded, bytes])),
  ),
);

const fine = new Set<number>([status.INVALID_ARGUMENT, status.NOT_FOUND, status.RESOURCE_EXHAUSTED]);

test('a request, however broken, is answered or refused, costs no memory, and never counts against the release', async () => {
  const seen = new Map<number, number>();
  const mutate = async (changes: Mutation[]) => {
    const parts: Parts = { message: good() };
    for (const change of changes) change(parts);
    const raw = Array.from(parts.message.raw_input_contents, (bytes) => bytes ?? Buffer.alloc(0));
    const encoded = client.bytesOf('ModelInfer', { ...parts.message, raw_input_contents: raw });
    const code = await client.infer(parts.bytes?.(encoded) ?? encoded).then(
      () => status.OK,
      (error: Failure) => {
        expect(fine, `${error.code}: ${error.details}`).toContain(error.code);
        expect(error.details).toBeTruthy();
        return error.code;
      },
    );
    seen.set(code, (seen.get(code) ?? 0) + 1);
  };
  const property = fc.asyncProperty(fc.array(mutations, { minLength: 0, maxLength: 3 }), mutate);
  await fc.assert(property, { numRuns: Math.ceil(runs / 4) });
  const before = heldBytes();
  await fc.assert(property, { numRuns: Math.ceil((runs * 3) / 4) });
  await eventually(() => heldBytes() - before < allowedGrowthBytes);
  expect(seen.get(status.OK)).toBeGreaterThan(10);
  expect(seen.get(status.INVALID_ARGUMENT)).toBeGreaterThan(100);
  await client.infer(client.bytesOf('ModelInfer', good()));
  await eventually(() => windows(echo.slot.sent).some(({ ok }) => ok > 0));
  expect(sum(echo.slot.sent, 'errors')).toBe(0);
}, 600_000);

describe('a connection', () => {
  const open = async () => {
    const socket = connect(echo.slot.ports.grpc!, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00', 'latin1');
  const closed = (socket: Socket) => (socket.destroyed ? undefined : once(socket.resume(), 'close'));

  test('of garbage is closed, and others go on', async () => {
    const write = async (bytes: Uint8Array, afterPreface: boolean) => {
      const socket = await open();
      socket.end(afterPreface ? Buffer.concat([preface, bytes]) : bytes);
      await closed(socket);
    };
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
    await fc.assert(fc.asyncProperty(bytes, fc.boolean(), write), { numRuns: Math.min(runs, 300) });
    await client.infer(client.bytesOf('ModelInfer', good()));
  }, 120_000);

  test('that speaks HTTP/1 is closed', async () => {
    const socket = await open();
    socket.write('POST /v2/models/inspection/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}');
    await closed(socket);
  });
});

describe('a slow client', () => {
  test.each([
    ['that never begins to speak', Buffer.alloc(0)],
    ['that stops within the preface', Buffer.from('PRI * HTTP/2.0\r\n')],
  ])('%s is cut off', async (_what, bytes) => {
    const server = new GrpcServer(() => undefined, 1024, { prefaceMs: 100, messageMs: 100 });
    const listener = createServer((socket) => server.take(socket)).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const socket = connect((listener.address() as { port: number }).port, '127.0.0.1');
    socket.write(bytes);
    await once(socket.resume(), 'close');
    listener.close();
  });

  test('that does not end its message is told, and its call ends', async () => {
    const server = new GrpcServer(() => ({ kind: 'unary', handle: () => [] }), 1024, { prefaceMs: 10_000, messageMs: 100 });
    const listener = createServer((socket) => server.take(socket)).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const session = connectHttp2(`http://127.0.0.1:${(listener.address() as { port: number }).port}`);
    const call = session.request({ ':method': 'POST', ':path': '/x/y', 'content-type': 'application/grpc' });
    call.write(Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), wire.FP32]));
    const [headers] = (await once(call, 'response')) as [Record<string, string>];
    expect(headers['grpc-status']).toBe('4');
    expect(decodeURIComponent(headers['grpc-message']!)).toBe('the message was not whole within 0.1 s');
    session.destroy();
    await server.drain(1000);
    listener.close();
  });
});
