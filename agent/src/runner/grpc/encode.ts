/** A message's fields by name: `id` as in the .proto; `of` where the field is a message itself; `keyed` where it is a map from text. */
export type Schema = Readonly<Record<string, FieldSchema>>;
export type FieldSchema = { id: number } & (
  | { type: 'text' | 'flag' | 'integer' | 'double'; repeated?: true }
  | { type: 'enum'; values: Readonly<Record<string, number>> }
  | { type: 'message'; of: Schema; repeated?: true }
  | { type: 'keyed'; of: Schema }
);

/** The bytes of a message. Fields that are absent, or that the schema does not name, are left out; so are defaults, as proto3 wants. */
export function encode(schema: Schema, message: object): Buffer {
  const values = message as Readonly<Record<string, unknown>>;
  return Buffer.concat(Object.entries(schema).flatMap(([name, field]) => parts(field, values[name])));
}

/** A field of bytes: its tag and length, then what it holds, not copied. */
export const bytesField = (id: number, bytes: Uint8Array): Uint8Array[] => [lengthPrefix(id, bytes.length), bytes];
export const lengthPrefix = (id: number, length: number): Buffer => Buffer.concat([varint(id * 8 + 2), varint(length)]);

function parts(field: FieldSchema, value: unknown): Uint8Array[] {
  if (value === undefined) return [];
  if (field.type === 'keyed') return Object.entries(value as object).flatMap((entry) => keyed(field.id, field.of, entry));
  if (!('repeated' in field)) return single(field, value);
  const items = value as readonly unknown[];
  // Numbers are packed; a repeated text or message is written even where it is empty.
  if (field.type === 'integer')
    return items.length === 0 ? [] : bytesField(field.id, Buffer.concat(items.map((item) => varint(item as number))));
  return items.flatMap((item) => bytesField(field.id, bytesOf(field, item)));
}

function single(field: Exclude<FieldSchema, { type: 'keyed' }>, value: unknown): Uint8Array[] {
  switch (field.type) {
    case 'message':
      return bytesField(field.id, bytesOf(field, value));
    case 'text':
      return value === '' ? [] : bytesField(field.id, bytesOf(field, value));
    case 'double':
      return [varint(field.id * 8 + 1), doubleBytes(value as number)];
    case 'enum':
      return integer(field.id, field.values[value as string]!);
    case 'flag':
      return integer(field.id, Number(value));
    case 'integer':
      return integer(field.id, value as number);
  }
}

const bytesOf = (field: FieldSchema, value: unknown): Buffer =>
  field.type === 'message' ? encode(field.of, value as object) : Buffer.from(value as string);

const integer = (id: number, value: number): Uint8Array[] => (value === 0 ? [] : [varint(id * 8), varint(value)]);

const keyed = (id: number, of: Schema, [key, value]: [string, unknown]): Uint8Array[] =>
  bytesField(id, Buffer.concat([...bytesField(1, Buffer.from(key)), ...bytesField(2, encode(of, value as object))]));

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  if (value < 0) return negative(value);
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** Two's complement of 64 bits, which takes ten bytes. */
function negative(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
