import { RequestError } from '../../http/http.js';
import { complaints } from '../../http/json-body.js';
import { type InferRequest, type RequestInput, RequestParameters, noClassification } from '../oip/request.js';
import { submissionOf } from '../queue/submission.js';
import {
  type Allowance,
  type FieldRead,
  bytesIn,
  doubleIn,
  fields,
  flagIn,
  packed,
  signed,
  signedIn,
  textIn,
  unsignedIn,
} from '../../protobuf.js';
import { typedContents } from './typed-contents.js';

const refuse = (message: string) => new RequestError(400, message);

export type AskedInference = {
  model: string;
  /** Undefined: whichever runs. */
  version: string | undefined;
  request: InferRequest;
  parameters: ReadonlyMap<string, Parameter>;
};
export type Parameter = boolean | number | bigint | string;
type Parameters = ReadonlyMap<string, Parameter>;
type Input = RequestInput & { parameters: Map<string, Parameter> };

/** Of the request and all that is in it, but for the tensors' values. */
const maxFields = 16_384;
const maxDimensions = 8;
const maxIdLength = 1024;

/** By which a client knows what was refused: undefined where not even that can be read. */
export function idOf(message: Buffer): string | undefined {
  try {
    for (const field of fields(message)) if (field.id === 3) return textIn(field);
  } catch {
    // Why the message is malformed is what the refusal itself says.
  }
  return undefined;
}

/** ModelInferRequest. Tensors stay where they are: views of the message. */
export function readInferRequest(message: Buffer): AskedInference {
  const asked = { model: '', version: '', id: '' };
  const parameters = new Map<string, Parameter>();
  const inputs: Input[] = [];
  const outputs: string[] = [];
  const raw: Buffer[] = [];
  const allowance = { left: maxFields };
  for (const field of fields(message, allowance)) {
    if (field.id === 1) asked.model = textIn(field);
    else if (field.id === 2) asked.version = textIn(field);
    else if (field.id === 3) asked.id = textIn(field);
    else if (field.id === 4) readParameter(bytesIn(field), parameters, allowance);
    else if (field.id === 5) inputs.push(readInput(bytesIn(field), allowance));
    else if (field.id === 6) outputs.push(readOutput(bytesIn(field), allowance));
    else if (field.id === 7) raw.push(bytesIn(field));
  }
  if (asked.id.length > maxIdLength) throw refuse(`id: it has ${asked.id.length} characters, at most ${maxIdLength} are taken`);
  const request: InferRequest = {
    id: asked.id === '' ? undefined : asked.id,
    inputs: withRaw(inputs, raw),
    outputs: outputs.map((name) => ({ name, binary: true })),
    binaryOutput: true,
    submission: submissionOf(checked(parameters)),
  };
  return { model: asked.model, version: asked.version === '' ? undefined : asked.version, request, parameters };
}

function checked(parameters: Parameters): RequestParameters | undefined {
  if (parameters.size === 0) return undefined;
  const result = RequestParameters.safeParse({ priority: parameters.get('priority'), timeout: parameters.get('timeout') });
  if (result.success) return result.data;
  throw refuse(complaints(result.error, ['parameters']));
}

function readInput(message: Buffer, allowance: Allowance): Input {
  const shape: number[] = [];
  const input: Input = { name: '', datatype: '', shape, parameters: new Map() };
  for (const field of fields(message, allowance)) {
    if (field.id === 1) input.name = textIn(field);
    else if (field.id === 2) input.datatype = textIn(field);
    else if (field.id === 3) readDimensions(field, shape);
    else if (field.id === 4) readParameter(bytesIn(field), input.parameters, allowance);
    else if (field.id === 5) input.contents = typedContents(bytesIn(field));
  }
  checkDimensions(input.name, shape);
  if (input.parameters.has('shared_memory_region')) throw noSharedMemory(`input "${input.name}"`);
  return input;
}

/** Packed, as writers do it, or one by one, as readers must bear. */
function readDimensions(field: FieldRead, shape: number[]): void {
  const dimensions = field.wire === 'bytes' ? packed(field.value) : [signedIn(field)];
  for (const dimension of dimensions) {
    if (shape.length > maxDimensions) return;
    shape.push(Number(signed(dimension)));
  }
}

function checkDimensions(name: string, shape: readonly number[]): void {
  if (shape.length > maxDimensions) throw refuse(`input "${name}" came with more than ${maxDimensions} dimensions`);
  if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 0))
    throw refuse(`input "${name}" came with shape [${shape.join(',')}]; a dimension is a whole number from 0`);
}

function readOutput(message: Buffer, allowance: Allowance): string {
  let name = '';
  const parameters = new Map<string, Parameter>();
  for (const field of fields(message, allowance)) {
    if (field.id === 1) name = textIn(field);
    else if (field.id === 2) readParameter(bytesIn(field), parameters, allowance);
  }
  if (parameters.has('classification')) throw noClassification(name);
  if (parameters.has('shared_memory_region')) throw noSharedMemory(`output "${name}"`);
  return name;
}

const noSharedMemory = (what: string) =>
  refuse(`${what} names a shared_memory_region; shared memory is not offered, send the tensor in the message`);

function readParameter(entry: Buffer, into: Map<string, Parameter>, allowance: Allowance): void {
  let key = '';
  let value: Parameter | undefined;
  for (const field of fields(entry, allowance)) {
    if (field.id === 1) key = textIn(field);
    else if (field.id === 2) value = parameterIn(bytesIn(field), allowance);
  }
  if (value !== undefined) into.set(key, value);
}

function parameterIn(message: Buffer, allowance: Allowance): Parameter | undefined {
  let value: Parameter | undefined;
  for (const field of fields(message, allowance)) {
    if (field.id === 1) value = flagIn(field);
    else if (field.id === 2) value = signedIn(field);
    else if (field.id === 3) value = textIn(field);
    else if (field.id === 4) value = doubleIn(field);
    else if (field.id === 5) value = unsignedIn(field);
  }
  return value;
}

/** All tensors are raw, or none is: the order is all that tells which belongs to which. */
function withRaw(inputs: readonly Input[], raw: readonly Buffer[]): RequestInput[] {
  if (raw.length === 0) return inputs.map((input) => (input.contents ? input : { ...input, contents: noContents }));
  const typed = inputs.find(({ contents }) => contents);
  if (typed) throw refuse(`input "${typed.name}" has typed contents beside raw_input_contents; send all inputs one way`);
  if (raw.length !== inputs.length)
    throw refuse(
      `raw_input_contents has ${raw.length} tensors for ${inputs.length} inputs; each input needs its own, in their order`,
    );
  return inputs.map((input, i) => ({ ...input, binary: raw[i]! }));
}

/** An input that came with neither holds no values. */
const noContents = typedContents(Buffer.alloc(0));
