import { hold } from '../check.js';
import { type Datatype, type Signature, countOf, toBytes, lengthed } from '../values.js';

export type Contents = Partial<Record<ContentsField, unknown[]>>;
export type Parameter = { bool_param: boolean } | { int64_param: string } | { string_param: string } | { double_param: number };
export type InputTensor = Signature & { contents?: Contents; parameters?: Record<string, Parameter> };
export type InferRequest = {
  model_name: string;
  model_version?: string;
  id?: string;
  parameters?: Record<string, Parameter>;
  inputs: InputTensor[];
  outputs?: { name: string }[];
  raw_input_contents?: Buffer[];
};
export type InferResponse = {
  model_name: string;
  model_version: string;
  id: string;
  outputs: { name: string; datatype: string; shape: string[]; contents?: Record<ContentsField, unknown[]> | null }[];
  raw_output_contents: Buffer[];
};

const fields = {
  BOOL: 'bool_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
} as const;
type ContentsField = (typeof fields)[keyof typeof fields];

/** Undefined for FP16, which has no typed form. */
export const fieldOf = (datatype: string): ContentsField | undefined => fields[datatype as keyof typeof fields];

export function typed(datatype: Datatype, values: readonly unknown[]): Contents {
  const field = fieldOf(datatype)!;
  return { [field]: datatype === 'BYTES' ? (values as string[]).map((text) => Buffer.from(text)) : [...values] };
}

export type Output = { name: string; datatype: string; shape: number[]; bytes: Buffer; raw: boolean };

/** Each output's bytes, in whichever of the two forms they came: never in both, and in raw form for all or for none. */
export function outputsOf({ outputs, raw_output_contents: raw }: InferResponse): Output[] {
  const isRaw = raw.length > 0;
  hold(!isRaw || raw.length === outputs.length, `${raw.length} raw contents came for ${outputs.length} outputs`);
  return outputs.map(({ name, datatype, shape, contents }, i) => {
    const values = contents ? (contents[fieldOf(datatype)!] ?? []) : [];
    hold(!isRaw || values.length === 0, `output ${name} has both raw and typed contents`);
    const sizes = shape.map(Number);
    if (isRaw) return { name, datatype, shape: sizes, bytes: raw[i]!, raw: true };
    hold(
      values.length === countOf(sizes),
      `output ${name} has ${values.length} values, its shape [${shape.join(',')}] holds ${countOf(sizes)}`,
    );
    return { name, datatype, shape: sizes, bytes: bytesOfTyped(datatype as Datatype, values), raw: false };
  });
}

function bytesOfTyped(datatype: Datatype, values: readonly unknown[]): Buffer {
  if (datatype === 'BYTES') return Buffer.concat((values as Buffer[]).map((text) => lengthed(text.toString())));
  return toBytes(datatype, values);
}
