/** A copy, because views of what came over the wire lie at any offset, and because tensors are given away. */
export function floatsOf(data: Uint8Array | undefined, count: number): Float32Array<ArrayBuffer> {
  if (data?.byteLength !== count * 4) throw new Error(`it has ${data?.byteLength ?? 0} bytes, expected ${count * 4}`);
  const floats = new Float32Array(count);
  new Uint8Array(floats.buffer).set(data);
  const bad = floats.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new Error(`it holds NaN or infinity at index ${bad}`);
  return floats;
}

export const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
