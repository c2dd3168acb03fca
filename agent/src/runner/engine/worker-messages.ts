import type { ExecutionProvider, TensorSignature } from '@flotilla/protocol/device';
import type { Tensor } from '../tensor.js';

export type ToWorker =
  | {
      type: 'load';
      id: number;
      path: string;
      network?: string | undefined;
      intraOpThreads: number;
      workers: number;
      fixedShapes?: boolean | undefined;
      providers: readonly ExecutionProvider[];
    }
  | { type: 'run'; id: number; inputs: readonly Tensor[]; network?: string | undefined };

/** It has read ONNX Runtime. */
export type WorkerBegun = { type: 'begun' };
export type FromWorker =
  | {
      type: 'loaded';
      id: number;
      inputs: TensorSignature[];
      outputs: TensorSignature[];
      loadMs: number;
      provider: ExecutionProvider;
      shortfall?: string | undefined;
    }
  | {
      type: 'ran';
      id: number;
      outputs: Tensor[];
      wallUs: number;
      cpuUs: number;
      /** The inputs' buffers, for other tensors. */
      spent: readonly ArrayBuffer[];
    }
  | { type: 'failed'; id: number; reason: string };
