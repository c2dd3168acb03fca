import type { Datatype, TensorSignature } from '@flotilla/protocol/device';
import { afterAll, describe, expect, test } from 'vitest';
import { wire } from '../fixtures/binary.js';
import { GrpcClient } from '../fixtures/grpc-client.js';
import { binaryOf } from '../oip/tensor-binary.js';
import { bytesField } from './encode.js';
import { readInferRequest } from './infer-request.js';
import { typedContents } from './typed-contents.js';

// Only for how it writes the message down: it connects to nobody.
const client = new GrpcClient('127.0.0.1:1');
afterAll(() => client.close());

/** The values of one input as the runner reads them. */
function read(type: Datatype, contents: object, shape = [2, 2]) {
  const inputs = [{ name: 'x', datatype: type, shape, contents }];
  const { request } = readInferRequest(client.bytesOf('ModelInfer', { model_name: 'm', inputs }));
  const tensor: TensorSignature = { name: 'x', type, shape };
  return binaryOf({ ...tensor, data: request.inputs[0]!.contents!(tensor) });
}
const message = (...bytes: number[]) => {
  const input = [0x0a, 1, 0x78, 0x12, 4, ...Buffer.from('FP32'), 0x2a, bytes.length, ...bytes];
  return readInferRequest(Buffer.from([0x2a, input.length, ...input])).request.inputs[0]!.contents!;
};

const every: Readonly<Record<string, object>> = {
  BOOL: { bool_contents: [false, true, true, false] },
  INT8: { int_contents: [0, -1, 127, -128] },
  INT16: { int_contents: [0, -1, 32767, -32768] },
  INT32: { int_contents: [0, -1, 2 ** 31 - 1, -(2 ** 31)] },
  INT64: { int64_contents: ['-1', '9007199254740993', '9223372036854775807', '-9223372036854775808'] },
  UINT8: { uint_contents: [0, 1, 127, 255] },
  UINT16: { uint_contents: [0, 1, 32768, 65535] },
  UINT32: { uint_contents: [0, 1, 2 ** 31, 2 ** 32 - 1] },
  UINT64: { uint64_contents: ['0', '1', '9007199254740993', '18446744073709551615'] },
  FP32: { fp32_contents: [-0, 1e-45, NaN, Infinity] },
  FP64: { fp64_contents: [-0, 5e-324, NaN, -Infinity] },
  BYTES: { bytes_contents: ['', 'plain', 'ä 日本', '\u{feff}🚢\n'].map((text) => Buffer.from(text)) },
};

describe('typed contents', () => {
  test.each(Object.keys(every) as Datatype[])('carry every value of %s', (type) => {
    expect(read(type, every[type]!)).toEqual(wire[type]);
  });

  test.each<[string, Datatype, object, string]>([
    ['too large an INT8', 'INT8', { int_contents: [0, 0, 0, 128] }, 'input "x": data[3] is 128, which is no INT8'],
    ['a negative UINT16', 'UINT16', { uint_contents: [70_000, 0, 0, 0] }, 'input "x": data[0] is 70000, which is no UINT16'],
    ['too few', 'INT64', { int64_contents: [1] }, 'input "x" came with 1 values, expected 4 for shape [2,2]'],
    ['none', 'FP32', {}, 'input "x" came with 0 values, expected 4 for shape [2,2]'],
    ['another field', 'INT64', { int_contents: [1] }, 'input "x" came with int_contents, expected int64_contents for INT64'],
    ['FP16', 'FP16', {}, 'input "x": FP16 has no typed contents; send it in raw_input_contents'],
    [
      'text that is not UTF-8',
      'BYTES',
      { bytes_contents: ['a', 'b', 'c'].map((t) => Buffer.from(t)).concat(Buffer.from([0xff])) },
      'input "x": element 3 is not UTF-8; the model is given BYTES as text',
    ],
    [
      'a NUL in text',
      'BYTES',
      { bytes_contents: ['a', 'b\0', 'c', 'd'].map((t) => Buffer.from(t)) },
      'input "x": element 1 holds a NUL byte; the model is given BYTES as text',
    ],
  ])('with %s are refused', (_what, type, given, reason) => expect(() => read(type, given)).toThrow(reason));

  test('may come one by one', () => {
    const alone = message(0x35, 0, 0, 0x80, 0x3f, 0x35, 0, 0, 0, 0x40);
    expect(alone({ name: 'x', type: 'FP32', shape: [2] })).toEqual(new Float32Array([1, 2]));
    const integers = message(0x10, 0xac, 0x02, 0x10, 7);
    expect(integers({ name: 'x', type: 'INT32', shape: [2] })).toEqual(new Int32Array([300, 7]));
  });

  test('that end within a number are refused', () => {
    expect(() => message(0x32, 3, 0, 0, 0)({ name: 'x', type: 'FP32', shape: [1] })).toThrow(
      'fp32_contents ends within a number',
    );
    expect(() => message(0x12, 1, 0x80)({ name: 'x', type: 'INT32', shape: [0] })).toThrow('the message ends within a number');
  });

  test('that would fill far more memory than their message are refused', () => {
    const ones = Buffer.alloc(17 * 2 ** 20, 1);
    const contents = typedContents(Buffer.concat(bytesField(3, ones)));
    expect(() => contents({ name: 'x', type: 'INT64', shape: [ones.length] })).toThrow('more than the queue takes');
  });
});
