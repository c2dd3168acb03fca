import type { ResponseHead } from '../oip/outputs.js';
import type { WantedOutput } from '../oip/request.js';
import { binaryOf } from '../oip/tensor-binary.js';
import type { Tensor } from '../tensor.js';
import { type Schema, bytesField, encode, lengthPrefix } from './encode.js';
import type { Pieces } from './methods.js';

const parameters = { id: 4, type: 'keyed', of: { flag: { id: 1, type: 'flag' } } } as const;
const Head: Schema = {
  model_name: { id: 1, type: 'text' },
  model_version: { id: 2, type: 'text' },
  id: { id: 3, type: 'text' },
  parameters,
  outputs: {
    id: 5,
    type: 'message',
    repeated: true,
    of: { name: { id: 1, type: 'text' }, datatype: { id: 2, type: 'text' }, shape: { id: 3, type: 'integer', repeated: true } },
  },
};
const rawOutputContents = 6;
const errorMessage: Schema = { error_message: { id: 1, type: 'text' } };
const inferResponse = 2;

/** ModelInferResponse, its tensors as the engine gave them: none is copied. `last`: as Triton marks the end of a request's answers on a stream. */
export function inferResponsePieces(
  head: ResponseHead,
  wanted: readonly WantedOutput[],
  outputs: readonly Tensor[],
  last = false,
): Pieces {
  const chosen = wanted.map(({ name }) => {
    const tensor = outputs.find((output) => output.name === name);
    if (!tensor) throw new Error(`the model gave no output "${name}"`);
    return tensor;
  });
  const described = chosen.map(({ name, type, shape }) => ({ name, datatype: type, shape }));
  const mark = last ? { parameters: { triton_final_response: { flag: true } } } : {};
  return [
    encode(Head, { ...head, ...mark, outputs: described }),
    ...chosen.flatMap((tensor) => bytesField(rawOutputContents, binaryOf(tensor))),
  ];
}

/** ModelStreamInferResponse around an answer. */
export const streamedAnswer = (pieces: Pieces): Pieces => [
  lengthPrefix(
    inferResponse,
    pieces.reduce((sum, piece) => sum + piece.length, 0),
  ),
  ...pieces,
];

/** ModelStreamInferResponse for a request that failed, with the id that it had. */
export const streamedFailure = (message: string, id: string | undefined): Pieces => [
  encode(errorMessage, { error_message: message }),
  ...bytesField(inferResponse, encode(Head, { id: id ?? '', outputs: [] })),
];
