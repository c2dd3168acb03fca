import { hold, skip } from '../check.js';
import { type Datatype, type Signature, countOf, isDatatype, plainValues, shapeOf, toBytes } from '../values.js';
import type { GrpcClient } from './client.js';
import { type InferRequest, type InferResponse, type Output, fieldOf, outputsOf, typed } from './messages.js';

export type GrpcModel = { name: string; versions: string[]; inputs: Signature[]; outputs: Signature[] };

/** Everything a gRPC check needs: the server, its model, and requests that this model should take. */
export class GrpcContext {
  constructor(
    readonly client: GrpcClient,
    readonly model: GrpcModel,
    private readonly shapes: ReadonlyMap<string, number[]> = new Map(),
  ) {}

  get hasFreeDimension(): boolean {
    return this.shapes.size === 0 && this.model.inputs.some(({ shape }) => shape.includes(-1));
  }

  /** The inputs' values; every request below is made of them. */
  tensors(free = 1): (Signature & { datatype: Datatype; values: unknown[] })[] {
    if (this.model.inputs.length === 0) skip("the model's metadata lists no inputs, so no request can be built");
    return this.model.inputs.map((input) => {
      const { name, datatype } = input;
      if (!isDatatype(datatype)) skip(`no request can be built: input ${name} has the datatype ${datatype}`);
      const shape = this.shapes.get(name) ?? shapeOf(input, free);
      return { name, datatype, shape, values: plainValues(datatype, countOf(shape)) };
    });
  }

  raw(free = 1): InferRequest & { raw_input_contents: Buffer[] } {
    const tensors = this.tensors(free);
    return {
      model_name: this.model.name,
      inputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      raw_input_contents: tensors.map(({ datatype, values }) => toBytes(datatype, values)),
    };
  }

  typed(free = 1): InferRequest {
    const tensors = this.tensors(free);
    if (tensors.some(({ datatype }) => !fieldOf(datatype))) skip('the model has an FP16 input, which has no typed form');
    const inputs = tensors.map(({ values, ...tensor }) => ({ ...tensor, contents: typed(tensor.datatype, values) }));
    return { model_name: this.model.name, inputs };
  }

  async infer(request: InferRequest, headers: Record<string, string> = {}): Promise<InferResponse & { read: Output[] }> {
    const response = await this.client.succeed<InferResponse>('ModelInfer', request, headers);
    return { ...response, read: outputsOf(response) };
  }

  /** An input that comes back as an output. */
  async echoOf(datatype: Datatype): Promise<{ at: number; output: string; free: number }> {
    const free = this.hasFreeDimension ? 2 : 1;
    const request = this.raw(free);
    const at = request.inputs.findIndex((input) => input.datatype === datatype);
    if (at < 0) skip(`the model has no ${datatype} input`);
    const { read } = await this.infer(request);
    const output = read.find((tensor) => tensor.datatype === datatype && tensor.bytes.equals(request.raw_input_contents[at]!));
    return output
      ? { at, output: output.name, free }
      : skip(`the model does not hand a ${datatype} input back, so its values can't be followed`);
  }
}

/** The same outputs with the same bytes; floats may differ in their last bits, so only their sizes are held to be equal. */
export function holdSameOutputs(a: readonly Output[], b: readonly Output[], what: string): void {
  for (const { name, datatype, shape, bytes } of a) {
    const other = b.find((output) => output.name === name);
    hold(other, `${what}: output ${name} is missing from one answer`);
    hold(
      shape.join() === other.shape.join(),
      `${what}: output ${name} has shape [${shape.join()}] and then [${other.shape.join()}]`,
    );
    const equal = datatype.startsWith('FP') ? near(datatype, bytes, other.bytes) : bytes.equals(other.bytes);
    hold(equal, `${what}: output ${name} has other values`);
  }
}

const floats: Readonly<Record<string, typeof Float32Array | typeof Float64Array>> = { FP32: Float32Array, FP64: Float64Array };

function near(datatype: string, a: Buffer, b: Buffer): boolean {
  const view = floats[datatype];
  if (!view || a.length !== b.length) return a.equals(b);
  const [left, right] = [a, b].map((bytes) => new view(new Uint8Array(bytes).buffer));
  return left!.every(
    (value, i) => Object.is(value, right![i]) || Math.abs(value - right![i]!) <= 1e-5 * Math.max(1, Math.abs(value)),
  );
}
