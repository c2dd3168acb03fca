import type { TensorSignature } from '@flotilla/protocol/device';
import { describeTensor } from '../tensor.js';

type Signatures = { inputs: readonly TensorSignature[]; outputs: readonly TensorSignature[] };

const listed = (tensors: readonly TensorSignature[]) => tensors.map(describeTensor).toSorted().join(', ');

/** What the manifest promises must be what the file has, name by name: a client is told the manifest's shapes. Undefined when it is. */
export function signatureMismatch(manifest: Signatures, model: Signatures): string | undefined {
  for (const side of ['inputs', 'outputs'] as const) {
    const [expected, actual] = [listed(manifest[side]), listed(model[side])];
    if (expected !== actual) return `its ${side} are ${actual || 'none'}, the manifest says ${expected}`;
  }
  return undefined;
}
