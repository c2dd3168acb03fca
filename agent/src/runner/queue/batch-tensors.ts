import { spareBuffers } from '../spare-buffers.js';
import { type Tensor, type TensorData, elementsOf, emptyData } from '../tensor.js';

type Grouping = { key: string | undefined; rows: number };
const alone: Grouping = { key: undefined, rows: 1 };
type Numbers = Exclude<TensorData, string[]>;

/** What a request may be batched with: the same types and shapes but for the first dimension. Text, and inputs of unequal rows, go alone. */
export function groupingOf(inputs: readonly Tensor[]): Grouping {
  const rows = inputs[0]?.shape[0] ?? 0;
  if (rows < 1) return alone;
  if (inputs.some(({ type, shape }) => type === 'BYTES' || shape[0] !== rows)) return { ...alone, rows };
  return { key: inputs.map(({ type, shape }) => `${type}[${shape.slice(1).join()}]`).join(), rows };
}

/** The members' inputs under one another, in a buffer of their own: the members keep theirs, in case each has to be asked alone. */
export function joined(members: readonly (readonly Tensor[])[]): Tensor[] {
  return members[0]!.map(({ name, type, shape }, input) => {
    const parts = members.map((tensors) => tensors[input]!);
    const whole = [parts.reduce((sum, part) => sum + part.shape[0]!, 0), ...shape.slice(1)];
    const data = emptyData(type, elementsOf(whole)) as Numbers;
    let offset = 0;
    for (const part of parts) {
      data.set(part.data as never, offset);
      offset += part.data.length;
    }
    return { name, type, shape: whole, data };
  });
}

/** Each member's part of the answer: a view of the batch's own buffer, not a copy. */
export function parted(outputs: readonly Tensor[], rows: readonly number[]): Tensor[][] {
  const total = rows.reduce((sum, each) => sum + each, 0);
  const wrong = outputs.find(({ shape }) => shape[0] !== total);
  if (wrong) throw new Error(`the output ${wrong.name} came with shape [${wrong.shape.join(',')}] for a batch of ${total} rows`);
  let from = 0;
  return rows.map((each) => {
    const part = outputs.map((output) => rowsFrom(output, from, each));
    from += each;
    return part;
  });
}

function rowsFrom({ name, type, shape, data }: Tensor, from: number, rows: number): Tensor {
  const width = elementsOf(shape.slice(1));
  const [begin, end] = [from * width, (from + rows) * width];
  const part = Array.isArray(data) ? data.slice(begin, end) : (data.subarray(begin, end) as Numbers);
  return { name, type, shape: [rows, ...shape.slice(1)], data: part };
}

/** Now: the collector would let a hundred of them gather before it noticed their weight. */
export function free(inputs: readonly Tensor[]): void {
  const buffers = inputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
  for (const buffer of new Set(buffers)) spareBuffers.give(buffer);
}
