import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Echo,
  type Sent,
  binaryRequest,
  datatypes,
  inferBinary,
  inferBytes,
  serveEcho,
  text,
  wire,
  zeros,
} from '../fixtures/binary.js';
import { Workshop } from '../fixtures/orders.js';
import { images, serve, sum } from '../fixtures/served.js';

const workshop = new Workshop();
let kinds: Echo;
let integers: Echo;
beforeAll(async () => {
  kinds = await serveEcho(workshop, 'FP32');
  integers = await serveEcho(workshop, 'UINT16');
});
afterAll(async () => {
  await Promise.all([kinds.slot.close(), integers.slot.close()]);
  await workshop.clear();
});
const echoOf = (type: string) => (kinds.inputs.some((input) => input.type === type) ? kinds : integers);
const answerTo = ({ slot, inputs }: Echo, change: (sent: Sent) => unknown, elements = wire) => {
  const sent = binaryRequest(inputs, elements);
  change(sent);
  return inferBinary(slot, sent);
};
/** The described input of one datatype, to be changed. */
const inputOf = ({ head }: Sent, type: string) =>
  head.inputs.find((input) => (input as { datatype: string }).datatype === type) as Record<string, unknown>;
const blobOf = (sent: Sent, type: string, blob: Buffer) => {
  const index = sent.head.inputs.indexOf(inputOf(sent, type));
  inputOf(sent, type)['parameters'] = { binary_data_size: blob.length };
  sent.blobs[index] = blob;
};

describe('binary tensors', () => {
  test.each(datatypes)('%s goes in and comes out with every bit', async (type) => {
    const { status, headers, outputs } = await answerTo(echoOf(type), () => undefined);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/octet-stream');
    const output = outputs.find(({ datatype, shape }) => datatype === type && shape.length === 2);
    expect(output).toMatchObject({ shape: [2, 2], binary: wire[type] });
    expect(output).not.toHaveProperty('data');
  });

  test.each([
    ['BOOL', [true, false, true, true], Buffer.from([1, 0, 1, 1])],
    ['UINT8', [0, 1, 2, 255], Buffer.from([0, 1, 2, 255])],
    ['UINT16', [0, 1, 2, 65535], Buffer.from(new Uint16Array([0, 1, 2, 65535]).buffer)],
    ['UINT32', [0, 1, 2, 2 ** 32 - 1], Buffer.from(new Uint32Array([0, 1, 2, 2 ** 32 - 1]).buffer)],
    ['UINT64', [0, 1, 2, 2 ** 53 - 1], Buffer.from(new BigUint64Array([0n, 1n, 2n, 2n ** 53n - 1n]).buffer)],
    ['INT8', [0, 1, -1, -128], Buffer.from(new Int8Array([0, 1, -1, -128]).buffer)],
    ['INT16', [0, 1, -1, -32768], Buffer.from(new Int16Array([0, 1, -1, -32768]).buffer)],
    ['INT32', [0, 1, -1, -(2 ** 31)], Buffer.from(new Int32Array([0, 1, -1, -(2 ** 31)]).buffer)],
    ['INT64', [0, 1, -1, 1 - 2 ** 53], Buffer.from(new BigInt64Array([0n, 1n, -1n, 1n - 2n ** 53n]).buffer)],
    ['FP16', [0, 0.5, -0.25, 65504], Buffer.from(new Float16Array([0, 0.5, -0.25, 65504]).buffer)],
    ['FP32', [0, 0.5, -0.25, 2 ** 100], Buffer.from(new Float32Array([0, 0.5, -0.25, 2 ** 100]).buffer)],
    ['FP64', [0, 0.1, -0.25, 1e300], Buffer.from(new Float64Array([0, 0.1, -0.25, 1e300]).buffer)],
    ['BYTES', ['', 'a', 'ä', '日本'], text('', 'a', 'ä', '日本')],
  ])('%s as JSON among binary inputs, and as JSON among binary outputs', async (type, values, bytes) => {
    const echo = echoOf(type);
    const name = echo.inputs.find((input) => input.type === type)!.name.replace('_in', '_out');
    const asJson = await answerTo(echo, (sent) => {
      sent.blobs.splice(sent.head.inputs.indexOf(inputOf(sent, type)), 1);
      Object.assign(inputOf(sent, type), { parameters: undefined, data: values });
    });
    expect(asJson.outputs.find((output) => output.name === name)!.binary).toEqual(bytes);
    const other = echo.inputs.findLast((input) => input.type !== type)!;
    const fromBinary = await answerTo(
      echo,
      (sent) => {
        blobOf(sent, type, bytes);
        sent.head['outputs'] = [{ name: other.name.replace('_in', '_out') }, { name, parameters: { binary_data: false } }];
      },
      zeros,
    );
    expect(fromBinary.outputs[0]).toMatchObject({ binary: expect.any(Buffer) });
    expect(fromBinary.status).toBe(200);
    expect(fromBinary.outputs.at(-1)).toEqual({ name, datatype: type, shape: [2, 2], data: values });
  });

  test('a scalar has the shape []', async () => {
    const { outputs } = await answerTo(integers, () => undefined);
    expect(outputs.at(-1)).toEqual({ name: 'scalar_out', datatype: 'FP32', shape: [], binary: wire.FP32.subarray(0, 4) });
    const json = await answerTo(integers, ({ head, blobs }) => {
      blobs.pop();
      Object.assign(head.inputs.at(-1)!, { parameters: undefined, data: [2.5] });
      head['outputs'] = [{ name: 'scalar_out', parameters: { binary_data: false } }];
    });
    expect(json.outputs).toEqual([{ name: 'scalar_out', datatype: 'FP32', shape: [], data: [2.5] }]);
  });

  test.each(['binary', 'JSON'])('an empty batch has an empty answer, as %s', async (form) => {
    for (const echo of [kinds, integers])
      for (let again = 0; again < 2; again++) {
        const { status, outputs } = await answerTo(echo, (sent) => {
          sent.head.inputs.forEach((input, i) => {
            if ((input as { shape: number[] }).shape.length < 2) return;
            sent.blobs[i] = Buffer.alloc(0);
            const empty = form === 'JSON' ? { parameters: undefined, data: [] } : { parameters: { binary_data_size: 0 } };
            Object.assign(input, { shape: [0, 2], ...empty });
          });
        });
        expect(status).toBe(200);
        const batches = outputs.filter(({ shape }) => shape.length === 2);
        expect(batches.length).toBeGreaterThan(3);
        for (const { shape, binary } of batches) expect({ shape, bytes: binary!.length }).toEqual({ shape: [0, 2], bytes: 0 });
      }
  });

  test("the bytes belong to the inputs in the order of the request, which need not be the model's", async () => {
    const { status, outputs } = await answerTo(kinds, ({ head, blobs }) => {
      head.inputs.reverse();
      blobs.reverse();
    });
    expect(status).toBe(200);
    for (const { datatype, binary } of outputs) expect(binary).toEqual(wire[datatype]);
  });

  test('a head of any length leaves the tensors aligned', async () => {
    for (let padding = 0; padding < 8; padding++) {
      const { outputs } = await answerTo(kinds, ({ head }) => (head['id'] = 'x'.repeat(padding)));
      expect(outputs.find(({ datatype }) => datatype === 'FP64')!.binary).toEqual(wire.FP64);
    }
  });

  test('a JSON request may ask for its answer as binary, NaN included, which counts all the same', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('nan'));
    for (const wish of [
      { parameters: { binary_data_output: true } },
      { outputs: [{ name: 'scores', parameters: { binary_data: true } }] },
    ]) {
      const { status, outputs } = await inferBytes(slot, Buffer.from(JSON.stringify({ inputs: [images()], ...wish })), {});
      expect(status).toBe(200);
      expect(Array.from({ length: 3 }, (_, i) => outputs[0]!.binary!.readFloatLE(i * 4))).toEqual([NaN, NaN, NaN]);
    }
    // To its client each was answered: that is what Triton's statistics count, apart from the release's health.
    const { model_stats: stats } = (await (await fetch(`${slot.base}/v2/models/stats`)).json()) as {
      model_stats: { inference_count: number; inference_stats: Record<string, { count: number }> }[];
    };
    expect(stats).toMatchObject([{ inference_count: 2, inference_stats: { success: { count: 2 }, fail: { count: 0 } } }]);
    await slot.close();
    expect([sum(slot.sent, 'errors'), sum(slot.sent, 'ok')]).toEqual([2, 0]);
  });

  test('what JSON can not carry names the way out', async () => {
    const ask = (name: string) =>
      answerTo(kinds, ({ head }) => (head['outputs'] = [{ name, parameters: { binary_data: false } }]));
    const way = 'ask for this output with "parameters": {"binary_data": true}';
    expect(await ask('fp16_out')).toMatchObject({
      status: 400,
      error: expect.stringContaining(`index 2, which JSON can't carry; ${way}`),
    });
    expect(await ask('int64_out')).toMatchObject({
      status: 400,
      error: expect.stringContaining(`holds 9007199254740993, beyond what JSON carries exactly; ${way}`),
    });
  });
});

describe('what lies is refused in a sentence', () => {
  const sized = (type: string, size: unknown) => (sent: Sent) => (inputOf(sent, type)['parameters'] = { binary_data_size: size });
  test.each<[string, (sent: Sent) => unknown, RegExp]>([
    [
      'a size beyond the body',
      sized('BYTES', 1000),
      /^input "text_in" says binary_data_size 1000, but \d+ bytes of the body are left for it$/,
    ],
    ['a negative size', sized('FP32', -1), /^input "fp32_in" says binary_data_size -1, expected a number of bytes$/],
    ['a broken size', sized('FP32', 1.5), /^input "fp32_in" says binary_data_size 1.5, expected/],
    ['a size that is text', sized('FP32', '16'), /^input "fp32_in" says binary_data_size "16", expected/],
    ['an infinite size', sized('FP32', null), /^input "fp32_in" says binary_data_size null, expected/],
    [
      'another size than the shape',
      (sent) => blobOf(sent, 'FP32', Buffer.alloc(12)),
      /^input "fp32_in" came with 12 bytes of binary data, expected 16 for fp32_in FP32 \[2,2\]$/,
    ],
    [
      'leftover bytes',
      ({ blobs }) => blobs.push(Buffer.alloc(3)),
      /^the body goes on for 3 bytes after the binary data of input "text_in"$/,
    ],
    [
      'data and a size',
      (sent) => (inputOf(sent, 'FP32')['data'] = [1, 2, 3, 4]),
      /^input "fp32_in" has both "data" and parameters.binary_data_size; send one of them$/,
    ],
    [
      'neither',
      (sent) => {
        inputOf(sent, 'BYTES')['parameters'] = {};
        sent.blobs.pop();
      },
      /^input "text_in" has no "data" array, and no parameters.binary_data_size either$/,
    ],
    [
      'another datatype',
      (sent) => (inputOf(sent, 'FP32')['datatype'] = 'INT32'),
      /^input "fp32_in" came as INT32, expected FP32$/,
    ],
    [
      'another shape',
      (sent) => (inputOf(sent, 'FP32')['shape'] = [4]),
      /^input "fp32_in" came with shape \[4\], expected \[-1,2\]/,
    ],
    [
      'bytes for an empty tensor',
      (sent) => (inputOf(sent, 'FP32')['shape'] = [0, 2]),
      /^input "fp32_in" came with 16 bytes of binary data, expected 0 for fp32_in FP32 \[0,2\]$/,
    ],
    [
      'an empty tensor where the dimension is fixed',
      (sent) => (inputOf(sent, 'FP32')['shape'] = [2, 0]),
      /^input "fp32_in" came with shape \[2,0\], expected \[-1,2\]/,
    ],
    [
      'a giant of a shape',
      (sent) => (inputOf(sent, 'FP32')['shape'] = [Number.MAX_SAFE_INTEGER, 2]),
      /^input "fp32_in" came with 16 bytes of binary data, expected \d+/,
    ],
    [
      'a BOOL of 2',
      (sent) => blobOf(sent, 'BOOL', Buffer.from([0, 1, 2, 1])),
      /^input "bool_in": element 2 is the byte 2; a BOOL is 0 or 1$/,
    ],
    [
      'BYTES that are not UTF-8',
      (sent) => blobOf(sent, 'BYTES', text('', 'a', Buffer.from([0xff, 0xfe]), 'b')),
      /^input "text_in": element 2 is not UTF-8/,
    ],
    [
      'BYTES with a NUL',
      (sent) => blobOf(sent, 'BYTES', text('', 'a\0b', 'c', 'd')),
      /^input "text_in": element 1 holds a NUL byte/,
    ],
    [
      'too few BYTES',
      (sent) => blobOf(sent, 'BYTES', text('a', 'b', 'c')),
      /^input "text_in": its 15 bytes of binary data end after 3 elements, expected 4 for text_in BYTES \[2,2\]$/,
    ],
    ['too many BYTES', (sent) => blobOf(sent, 'BYTES', text('a', 'b', 'c', 'd', 'e')), /go on for 5 after the 4 elements/],
    [
      'an element beyond its tensor',
      (sent) => blobOf(sent, 'BYTES', Buffer.concat([text('a'), Buffer.from([255, 255, 255, 255, 1])])),
      /^input "text_in": element 1 claims 4294967295 bytes, 1 are left$/,
    ],
    [
      'an element cut in its length',
      (sent) => blobOf(sent, 'BYTES', Buffer.from([1, 0])),
      /^input "text_in": element 0 has 2 bytes left for its length, expected 4$/,
    ],
    [
      'classification',
      ({ head }) => (head['outputs'] = [{ name: 'fp32_out', parameters: { classification: 3 } }]),
      /^output "fp32_out": classification is not offered/,
    ],
    [
      'an output twice',
      ({ head }) => (head['outputs'] = [{ name: 'fp32_out' }, { name: 'fp32_out' }]),
      /^output "fp32_out" was asked for twice$/,
    ],
  ])('%s', async (_what, change, message) => {
    const { status, error } = await answerTo(kinds, change);
    expect(error).toMatch(message);
    expect(status).toBe(400);
  });

  test.each([
    [
      'longer than the body',
      '999999',
      /^the header inference-header-content-length is "999999", but the whole body has \d+ bytes$/,
    ],
    ['negative', '-5', /is "-5", expected the number of bytes of the JSON before the binary data$/],
    ['no number', 'NaN', /is "NaN", expected/],
    ['nothing', '0', /^the body is no JSON: /],
    ['too short', '20', /^the body is no JSON: /],
  ])('a header length that is %s', async (_what, length, message) => {
    const { status, error } = await inferBinary(kinds.slot, binaryRequest(kinds.inputs), {
      'inference-header-content-length': length,
    });
    expect(error).toMatch(message);
    expect(status).toBe(400);
  });

  test('a size without the header, and bytes without a size', async () => {
    const { head } = binaryRequest(kinds.inputs);
    const json = Buffer.from(JSON.stringify(head));
    expect(await inferBytes(kinds.slot, json, {})).toMatchObject({
      status: 400,
      error: 'input "bool_in" says binary_data_size 4, but the request has no header inference-header-content-length',
    });
    const plain = { head: { inputs: [images()] }, blobs: [Buffer.alloc(9)] };
    expect(await inferBinary(kinds.slot, plain)).toMatchObject({
      status: 400,
      error: 'the body goes on for 9 bytes after the JSON, and no input has parameters.binary_data_size',
    });
  });

  test('parameters that nobody knows are dropped', async () => {
    const { status } = await answerTo(kinds, (sent) => {
      Object.assign(sent.head['parameters'] as object, { priority: 1, sequence_id: 'x' });
      Object.assign(inputOf(sent, 'FP32')['parameters'] as object, { shared_memory_region: 'none' });
      sent.head['outputs'] = [{ name: 'fp32_out', parameters: { shared_memory_offset: 4 } }];
    });
    expect(status).toBe(200);
  });

  test('text that ONNX Runtime would cut is refused as JSON too', async () => {
    const { status, error } = await answerTo(kinds, (sent) => {
      sent.blobs.pop();
      Object.assign(inputOf(sent, 'BYTES'), { parameters: undefined, data: ['a', 'b\0c', 'd', 'e'] });
    });
    expect(error).toBe('input "text_in": data[1] is "b\\u0000c", which is no BYTES (UTF-8 text without NUL)');
    expect(status).toBe(400);
  });
});
