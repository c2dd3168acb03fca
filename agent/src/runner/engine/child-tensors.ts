import { ProtocolFault, aligned } from '../../engine-protocol/frames.js';
import type { TensorPlace } from '../../engine-protocol/messages.js';
import { type Tensor, type TensorData, arrayFor, elementsOf } from '../tensor.js';

const padding = new Uint8Array(64);

/** The tensors' places and the payload's parts: numbers are views of the tensors' own memory, and not copied. */
export function packTensors(tensors: readonly Tensor[]): { places: TensorPlace[]; payload: Uint8Array[] } {
  const places: TensorPlace[] = [];
  const payload: Uint8Array[] = [];
  let offset = 0;
  for (const { name, type, shape, data } of tensors) {
    const bytes = Array.isArray(data) ? packText(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    places.push({ name, type, shape: [...shape], offset, length: bytes.byteLength });
    const next = aligned(offset + bytes.byteLength);
    payload.push(bytes, padding.subarray(0, next - offset - bytes.byteLength));
    offset = next;
  }
  return { places, payload };
}

/** Views into the payload. Throws ProtocolFault where a place and its shape do not agree, or lie outside of it. */
export const unpackTensors = (places: readonly TensorPlace[], payload: ArrayBuffer): Tensor[] =>
  places.map((place) => ({ name: place.name, type: place.type, shape: place.shape, data: unpack(place, payload) }));

function unpack(place: TensorPlace, payload: ArrayBuffer): TensorData {
  const { name, type, shape, offset, length } = place;
  if (offset % 64 !== 0 || offset + length > payload.byteLength)
    throw new ProtocolFault(
      `${name}: ${length} bytes from ${offset} do not lie in a payload of ${payload.byteLength}, at a multiple of 64`,
    );
  const elements = elementsOf(shape);
  if (type === 'BYTES') return unpackText(place, elements, payload);
  const View = arrayFor(type);
  const size = View.BYTES_PER_ELEMENT;
  if (elements * size !== length)
    throw new ProtocolFault(
      `${name}: ${type} [${shape.join(',')}] takes ${elements * size} bytes, ${length} are said to be there`,
    );
  return new View(payload, offset, elements);
}

/** As in the Open Inference Protocol: each element's length in four bytes, then its UTF-8. */
function packText(texts: readonly string[]): Uint8Array {
  const encoded = texts.map((text) => Buffer.from(text, 'utf8'));
  const bytes = Buffer.allocUnsafe(encoded.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const text of encoded) {
    at = bytes.writeUInt32LE(text.length, at);
    at += text.copy(bytes, at);
  }
  return bytes;
}

function unpackText({ name, offset, length }: TensorPlace, elements: number, payload: ArrayBuffer): string[] {
  const bytes = Buffer.from(payload, offset, length);
  // Each takes four bytes at least: what is impossible is not even begun.
  if (elements * 4 > length) throw new ProtocolFault(`${name}: ${elements} texts do not fit in ${length} bytes`);
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < elements; i++) {
    const end = at + 4 > length ? Infinity : at + 4 + bytes.readUInt32LE(at);
    if (end > length) throw new ProtocolFault(`${name}: element ${i} reaches beyond its ${length} bytes`);
    texts.push(bytes.toString('utf8', at + 4, end));
    at = end;
  }
  if (at !== length) throw new ProtocolFault(`${name}: ${length - at} bytes follow the last of ${elements} texts`);
  return texts;
}
