import type { TensorSignature } from '@flotilla/protocol/device';
import type { Input } from '../inferences.js';
import { RequestError } from '../../http/http.js';
import type { RequestInput } from '../oip/request.js';
import { elementsOf } from '../tensor.js';
import type { PredictRequest } from './slot-schemas.js';

const refuse = (message: string) => new RequestError(400, message);

/** What preprocessing begins with; undefined where tensors came, which need none. */
export function inputOf({ image, features, signal }: PredictRequest, isTensors: boolean): Input | undefined {
  const given = [image, features, signal].filter((one) => one !== undefined).length + Number(isTensors);
  if (given !== 1) throw refuse('the body must have one of "image", "inputs", "features" and "signal"');
  if (image) {
    const bytes = pictureFrom(image.base64);
    return { asks: 'picture', stage: () => ({ kind: 'encoded', bytes }) };
  }
  if (features) return { asks: 'features', stage: () => ({ kind: 'features', values: features }) };
  if (!signal) return undefined;
  const { samples, ...how } = signal;
  return { asks: 'signal', stage: () => ({ kind: 'chunk', data: Float32Array.from(samples), ...how }) };
}

/** Undefined where there is none to go on from. */
export const stateFrom = (base64: string | undefined): Buffer | undefined => (base64 ? Buffer.from(base64, 'base64') : undefined);

/** Inputs by name become the protocol's: the datatype is the model's own, the shape what the nesting says. */
export const requestInputs = (inputs: Readonly<Record<string, unknown>>, expected: readonly TensorSignature[]): RequestInput[] =>
  Object.entries(inputs).map(([name, value]) => {
    const signature = expected.find((candidate) => candidate.name === name);
    // One that the model does not have is refused by its name, before its datatype matters.
    if (!signature) return { name, datatype: '', shape: [] };
    return { name, datatype: signature.type, ...shaped(signature, value) };
  });

function shaped(signature: TensorSignature, value: unknown): { shape: number[]; data: unknown[] } {
  const { name, shape } = signature;
  if (shape.length === 0 && !Array.isArray(value)) return { shape: [], data: [value] };
  if (!Array.isArray(value)) throw refuse(`input "${name}" is no array, expected [${shape.join(',')}] (-1 is free)`);
  const nesting = nestingOf(value);
  return { shape: nesting.length === 1 ? shapeOfFlat(signature, value.length) : nesting, data: value };
}

/** Along the first elements; that the others are alike is looked at when they are read. */
function nestingOf(value: unknown[]): number[] {
  const shape: number[] = [];
  for (let node: unknown = value; Array.isArray(node); node = (node as unknown[])[0]) shape.push(node.length);
  return shape;
}

function shapeOfFlat({ name, shape }: TensorSignature, values: number): number[] {
  const free = shape.filter((dimension) => dimension === -1).length;
  if (free === 0) return shape;
  const expected = `[${shape.join(',')}] (-1 is free)`;
  if (free > 1) throw refuse(`input "${name}" came flat, and ${expected} can be meant in several ways; send it nested`);
  const others = elementsOf(shape.filter((dimension) => dimension !== -1));
  if (values % others !== 0) throw refuse(`input "${name}" came with ${values} values, which fit no ${expected}`);
  return shape.map((dimension) => (dimension === -1 ? values / others : dimension));
}

/** Buffer would pass over what is no base64, and a truncated picture would be the message. */
function pictureFrom(base64: string): Buffer {
  const stray = /[^A-Za-z0-9+/=\r\n]/.exec(base64);
  if (stray)
    throw refuse(
      `image.base64 holds "${stray[0]}" at ${stray.index}, which is no base64; send the picture's bytes, no data: URL`,
    );
  return Buffer.from(base64, 'base64');
}
