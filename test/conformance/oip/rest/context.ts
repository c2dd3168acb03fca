import { NotApplicable, hold, skip } from '../check.js';
import { type Datatype, type Signature, alike, countOf, isDatatype, plainValues, shapeOf, toBytes } from '../values.js';
import { type Came, type RestClient, jsonOf } from './client.js';
import { conforms } from './schema.js';

type Model = { name: string; versions: string[]; inputs: Signature[]; outputs: Signature[] };
export type JsonTensor = {
  name: string;
  shape: number[];
  datatype: string;
  parameters?: Record<string, unknown>;
  data?: unknown[];
};
export type InferBody = {
  id?: string;
  parameters?: Record<string, unknown>;
  inputs: JsonTensor[];
  outputs?: { name: string; parameters?: Record<string, unknown> }[];
};
export type InferAnswer = { model_name: string; model_version?: string; id?: string; outputs: JsonTensor[] };

/** Everything a check needs: the server, its model, and requests that this model should take. */
export class RestContext {
  constructor(
    readonly client: RestClient,
    readonly model: Model,
    readonly extensions: readonly string[],
    /** Input → shape, where the free dimensions are not as free as they look. */
    private readonly shapes: ReadonlyMap<string, number[]> = new Map(),
  ) {}

  path(rest = '', version?: string): string {
    const of = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
    return `/v2/models/${encodeURIComponent(this.model.name)}${of}${rest}`;
  }

  /** A valid request in JSON; FP16 as numbers too. */
  body(free = 1): InferBody {
    if (this.model.inputs.length === 0) skip("the model's metadata lists no inputs, so no request can be built");
    const strange = this.model.inputs.find(({ datatype }) => !isDatatype(datatype));
    if (strange) skip(`no request can be built: input ${strange.name} has the datatype ${strange.datatype}`);
    return { inputs: this.model.inputs.map((input) => this.#tensor(input, free)) };
  }

  get hasFreeDimension(): boolean {
    return this.shapes.size === 0 && this.model.inputs.some(({ shape }) => shape.includes(-1));
  }

  #tensor(input: Signature, free: number): JsonTensor {
    const shape = this.shapes.get(input.name) ?? shapeOf(input, free);
    return { name: input.name, shape, datatype: input.datatype, data: plainValues(input.datatype, countOf(shape)) };
  }

  post(body: object | string | Buffer, headers: Record<string, string> = {}, version?: string): Promise<Came> {
    return this.client.send({ method: 'POST', path: this.path('/infer', version), body, headers });
  }

  /** A success in JSON, held against the schema and against itself. */
  async infer(body: object | string | Buffer, headers: Record<string, string> = {}, version?: string): Promise<InferAnswer> {
    return answered(await this.post(body, headers, version));
  }

  /** An input that comes back as an output, by the values of a request: model → unchanged names. */
  async echoOf(datatype: Datatype): Promise<{ input: string; output: string; free: number }> {
    const free = this.hasFreeDimension ? 2 : 1;
    const body = this.body(free);
    const input = body.inputs.find((tensor) => tensor.datatype === datatype) ?? skip(`the model has no ${datatype} input`);
    const { outputs } = await this.infer(body);
    const output = outputs.find(
      ({ datatype: type, data, shape }) => type === datatype && alike(shape, input.shape) && alike(data!.flat(9), input.data!),
    );
    if (!output) throw new NotApplicable(`the model does not hand a ${datatype} input back, so its values can't be followed`);
    return { input: input.name, output: output.name, free };
  }
}

/** Status, schema, and sizes that agree with the shapes. A null for what is optional is one check's business, not every one's. */
export function answered(came: Came): InferAnswer {
  hold(came.status === 200, `status ${came.status}, expected 200`);
  const answer = withoutNulls(jsonOf(came)) as InferAnswer;
  conforms('inference_response', answer);
  for (const { name, shape, data } of answer.outputs) {
    const count = data!.flat(9).length;
    hold(count === countOf(shape), `output ${name} has ${count} values, its shape [${shape.join(',')}] holds ${countOf(shape)}`);
  }
  return answer;
}

/** Members that are null left out, at whatever depth. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([name, member]) => [name, withoutNulls(member)]));
}

/** The same outputs with the same values, in whatever order. */
export function holdSame(a: InferAnswer, b: InferAnswer, what: string): void {
  for (const { name, data, shape } of a.outputs) {
    const other = b.outputs.find((output) => output.name === name);
    hold(other, `${what}: output ${name} is missing from one answer`);
    hold(alike(shape, other.shape), `${what}: output ${name} has shape [${shape.join(',')}] and then [${other.shape.join(',')}]`);
    hold(alike(data!.flat(9), other.data!.flat(9)), `${what}: output ${name} has other values`);
  }
}

/** JSON first, then the inputs' bytes in the order of the inputs. */
export function binaryBody(body: InferBody, which: (index: number) => boolean = () => true): { body: Buffer; length: number } {
  const blobs: Buffer[] = [];
  const inputs = body.inputs.map(({ data, ...tensor }, i) => {
    if (!which(i)) return { ...tensor, data };
    const blob = toBytes(tensor.datatype as Datatype, data!);
    blobs.push(blob);
    return { ...tensor, parameters: { ...tensor.parameters, binary_data_size: blob.length } };
  });
  return withBytes({ ...body, inputs }, blobs);
}

export function withBytes(head: object, blobs: readonly Buffer[]): { body: Buffer; length: number } {
  const json = Buffer.from(JSON.stringify(head));
  return { body: Buffer.concat([json, ...blobs]), length: json.length };
}

export const headerOf = (length: number | string) => ({
  'inference-header-content-length': String(length),
  'content-type': 'application/octet-stream',
});
