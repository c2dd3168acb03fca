import type { Datatype } from '@flotilla/protocol';
import { type Tensor, type TensorData, elementsOf, emptyData } from '@flotilla/agent/runner/tensor';
import protobuf from 'protobufjs';

// The fields of ONNX's TensorProto by which a tensor can carry its data, with the numbers that they have on the wire.
const { root } = protobuf.parse(
  `
  syntax = "proto2";
  message TensorProto {
    repeated int64 dims = 1;
    optional int32 data_type = 2;
    repeated float float_data = 4;
    repeated int32 int32_data = 5;
    repeated bytes string_data = 6;
    repeated int64 int64_data = 7;
    optional bytes raw_data = 9;
    repeated double double_data = 10;
    repeated uint64 uint64_data = 11;
  }`,
  { keepCase: true },
);
const TensorProto = root.lookupType('TensorProto');

type Read = {
  dims: string[];
  data_type: number;
  float_data: number[];
  int32_data: number[];
  string_data: Buffer[];
  int64_data: string[];
  raw_data?: Buffer;
  double_data: number[];
  uint64_data: string[];
};

/** TensorProto.DataType → ours. */
const datatypes: Readonly<Record<number, Datatype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
};

/** A tensor from a test vector; its name is whoever asks for it to give. */
export function readTensor(bytes: Uint8Array, name: string): Tensor {
  const message = TensorProto.toObject(TensorProto.decode(bytes), { longs: String, arrays: true, bytes: Buffer }) as Read;
  const type = datatypes[message.data_type];
  if (!type) throw new Error(`${name} has ONNX's data type ${message.data_type}, which can't be served`);
  const shape = message.dims.map(Number);
  return { name, type, shape, data: dataOf(message, type, elementsOf(shape)) };
}

function dataOf(message: Read, type: Datatype, elements: number): TensorData {
  if (type === 'BYTES') return message.string_data.map((text) => text.toString());
  const data = emptyData(type, elements) as Exclude<TensorData, string[]>;
  if (message.raw_data?.length) {
    new Uint8Array(data.buffer).set(message.raw_data);
    return data;
  }
  const values = valuesOf(message, type);
  if (values.length !== elements) throw new Error(`${values.length} values came for ${elements} elements`);
  values.forEach((value, i) => (data[i] = value as never));
  return data;
}

/** Small integers, BOOL and the bits of FP16 lie among the int32s, UINT32 among the uint64s. */
function valuesOf(message: Read, type: Datatype): (number | bigint)[] {
  if (type === 'FP32') return message.float_data;
  if (type === 'FP64') return message.double_data;
  if (type === 'INT64') return message.int64_data.map(BigInt);
  if (type === 'UINT64') return message.uint64_data.map(BigInt);
  return type === 'UINT32' ? message.uint64_data.map(Number) : message.int32_data;
}
