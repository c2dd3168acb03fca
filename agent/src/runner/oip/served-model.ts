import type { TensorSignature } from '@flotilla/protocol/device';
import { RequestError } from '../../http/http.js';
import type { Inferences } from '../inferences.js';
import { modelConfig } from './model-config.js';

export type ServedModel = ReturnType<typeof servedModel>;

/** What REST and gRPC say of the one model here. It goes by its slot's name, and its version is the release's. */
export function servedModel({ release, served }: Pick<Inferences, 'release' | 'served'>) {
  const { manifest, model, batching, instances } = release;
  const { slot: name, variant } = served;
  const { version } = manifest;
  return {
    name,
    version,
    metadata: {
      name,
      versions: [version],
      platform: 'onnx_onnxv1',
      inputs: model.inputs.map(toOip),
      outputs: model.outputs.map(toOip),
    },
    config: modelConfig({ name, file: variant, model, maxBatch: batching?.on ? batching.maxRows : 1, instances }),
    /** Refuses another name, and another version where one is asked for. */
    known(asked: string, askedVersion: string | undefined): void {
      if (asked !== name) throw new RequestError(404, `there is no model "${asked}" here; this slot is "${name}"`);
      if (askedVersion !== undefined && askedVersion !== version)
        throw new RequestError(404, `version "${askedVersion}" does not run here; ${name} runs ${manifest.model} ${version}`);
    },
  };
}

const toOip = ({ name, type, shape }: TensorSignature) => ({ name, datatype: type, shape });
