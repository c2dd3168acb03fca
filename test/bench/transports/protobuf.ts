// As much of the wire format as one request takes: field numbers with lengths, and packed integers.

const delimited = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export const joined = (...parts: Buffer[]): Buffer => Buffer.concat(parts);
export const bytesField = (field: number, bytes: Buffer): Buffer =>
  joined(varint(field * 8 + delimited), varint(bytes.length), bytes);
export const textField = (field: number, text: string): Buffer => bytesField(field, Buffer.from(text));
export const varintsField = (field: number, values: readonly number[]): Buffer =>
  bytesField(field, joined(...values.map(varint)));
