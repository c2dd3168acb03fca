import { tensorToJson } from '../oip/tensor-json.js';
import type { OutputValue, Prediction } from '../../prediction.js';
import type { Tensor } from '../tensor.js';

const askWithBinary = 'ask /v2/models/{slot}/infer for binary tensors';
/** Each prediction is a line of a file and an event to every reader: larger outputs go to who asked, and nowhere else. */
const mostRecordedValues = 1024;

/** Outputs by name, as JSON carries them. Throws where it can't. */
export const outputValues = (outputs: readonly Tensor[]): Record<string, OutputValue> =>
  Object.fromEntries(
    outputs.map((output) => {
      const { name, datatype, shape, data } = tensorToJson(output, askWithBinary);
      return [name, { datatype, shape: [...shape], data }];
    }),
  );

/** The prediction as it is kept: without outputs that are large. */
export function recordOf(prediction: Prediction): Prediction {
  const { outputs, ...rest } = prediction;
  const values = Object.values(outputs ?? {}).reduce((sum, { data }) => sum + data.length, 0);
  return values > mostRecordedValues ? rest : prediction;
}
