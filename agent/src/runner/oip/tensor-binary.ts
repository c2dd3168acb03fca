import { isUtf8 } from 'node:buffer';
import type { Datatype, TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import { spareBuffers } from '../spare-buffers.js';
import { type Tensor, type TensorData, describeTensor, elementsOf, emptyData, viewOf } from '../tensor.js';

// Little-endian on the wire (binary tensor data extension), and on every processor this runs on: numbers are copied as they are.

const refuse = (message: string) => new RequestError(400, message);
/** BYTES elements each follow their own length, in four bytes. */
const lengthBytes = 4;

/**
 * A tensor's data in a buffer that the engine may give away: the body's own where that is `ours` and lies as typed arrays need it,
 * else a copy.
 */
export function dataFromBinary(signature: TensorSignature, binary: Buffer, ours = false): TensorData {
  return signature.type === 'BYTES' ? textFrom(signature, binary) : numbersFrom(signature, binary, ours);
}

function numbersFrom(signature: TensorSignature, binary: Buffer, ours: boolean): TensorData {
  const { name, shape } = signature;
  const type = signature.type as Exclude<Datatype, 'BYTES'>;
  const expected = elementsOf(shape) * elementBytes(signature);
  if (binary.length !== expected)
    throw refuse(
      `input "${name}" came with ${binary.length} bytes of binary data, expected ${expected} for ${describeTensor(signature)}`,
    );
  const wrong = type === 'BOOL' ? binary.findIndex((byte) => byte > 1) : -1;
  if (wrong >= 0) throw refuse(`input "${name}": element ${wrong} is the byte ${binary[wrong]}; a BOOL is 0 or 1`);
  if (ours && binary.byteOffset % elementBytes(signature) === 0)
    return viewOf(type, binary.buffer as ArrayBuffer, binary.byteOffset, elementsOf(shape));
  const buffer = spareBuffers.take(expected);
  new Uint8Array(buffer).set(binary);
  return viewOf(type, buffer, 0, elementsOf(shape));
}

const elementBytes = ({ type }: TensorSignature) => (emptyData(type, 0) as Exclude<TensorData, string[]>).BYTES_PER_ELEMENT;

function textFrom(signature: TensorSignature, binary: Buffer): string[] {
  const elements = elementsOf(signature.shape);
  const texts: string[] = [];
  let offset = 0;
  while (offset < binary.length && texts.length < elements) {
    const element = elementAt(signature.name, texts.length, binary.subarray(offset));
    texts.push(textOf(signature.name, texts.length, element));
    offset += lengthBytes + element.length;
  }
  const ends = `input "${signature.name}": its ${binary.length} bytes of binary data`;
  if (texts.length < elements)
    throw refuse(`${ends} end after ${texts.length} elements, expected ${elements} for ${describeTensor(signature)}`);
  if (offset < binary.length)
    throw refuse(`${ends} go on for ${binary.length - offset} after the ${elements} elements of ${describeTensor(signature)}`);
  return texts;
}

function elementAt(name: string, index: number, rest: Buffer): Buffer {
  if (rest.length < lengthBytes)
    throw refuse(`input "${name}": element ${index} has ${rest.length} bytes left for its length, expected ${lengthBytes}`);
  const length = rest.readUInt32LE();
  const left = rest.length - lengthBytes;
  if (length > left) throw refuse(`input "${name}": element ${index} claims ${length} bytes, ${left} are left`);
  return rest.subarray(lengthBytes, lengthBytes + length);
}

/** ONNX Runtime's binding carries text as JavaScript's: other bytes would come out altered, and a NUL would end it. */
export function textOf(name: string, index: number, bytes: Buffer): string {
  if (!isUtf8(bytes)) throw refuse(`input "${name}": element ${index} is not UTF-8; the model is given BYTES as text`);
  if (bytes.includes(0)) throw refuse(`input "${name}": element ${index} holds a NUL byte; the model is given BYTES as text`);
  return bytes.toString('utf8');
}

/** Every value as it is, NaN and 64-bit integers included. Numbers are not copied. */
export function binaryOf({ data }: Tensor): Buffer {
  if (!Array.isArray(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat(
    data.flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
