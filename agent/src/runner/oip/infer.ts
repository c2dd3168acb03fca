import type { Asked, Inferences } from '../inferences.js';
import type { Tensor } from '../tensor.js';
import { readInputs } from './inputs.js';
import { type ResponseHead, wantedOutputs } from './outputs.js';
import type { InferRequest, WantedOutput } from './request.js';

/** Writes the answer down in the protocol's form. Throws where that can't carry a value. */
type Encode<T> = (head: ResponseHead, wanted: readonly WantedOutput[], outputs: readonly Tensor[]) => T;

/** When it came and from whom, and what goes before its own parameters. */
type Came = Pick<Asked, 'since' | 'asker' | 'timeoutMs'>;

/** One request of the Open Inference Protocol, whichever way it came. */
export async function infer<T>(inferences: Inferences, request: InferRequest, asked: Came, encode: Encode<T>): Promise<T> {
  const { manifest, model } = inferences.release;
  const wanted = wantedOutputs(request, model.outputs);
  const head = {
    model_name: inferences.served.slot,
    model_version: manifest.version,
    ...(request.id === undefined ? {} : { id: request.id }),
  };
  const inputs = readInputs(request.inputs, model.inputs);
  // The release's own check may find NaN or infinity: that counts against it, yet who asked for bytes gets them.
  const takesAny = wanted.some(({ binary }) => binary);
  return inferences.infer(inputs, (all) => encode(head, wanted, all), { ...request.submission, ...asked, takesAny });
}
