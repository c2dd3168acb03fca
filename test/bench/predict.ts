import type { Bench, Figure } from './figure.js';
import { batching } from './predict-batching.js';
import { fastapi } from './predict-fastapi.js';
import { overload } from './predict-overload.js';
import { restFigures, grpcFigures, unixFigures } from './predict-transports.js';

/** What serving costs over bare inference, on each transport, and what becomes of it under load. */
export const predict: Bench = {
  about:
    'predictions over REST, gRPC and a UNIX socket against a bare ONNX Runtime loop [--rounds N] [--only PART,…] [--python PATH]',
  async run(log, flags) {
    const rounds = flags.count('rounds', 15);
    const only = flags.list('only');
    const parts = { rest: restFigures, grpc: grpcFigures, unix: unixFigures, batching, overload, fastapi };
    const figures: Record<string, Figure> = {};
    for (const [name, part] of Object.entries(parts)) {
      if (only.length > 0 && !only.includes(name)) continue;
      log(`${name} (${rounds} rounds)`);
      Object.assign(figures, await part({ log, rounds, flags }));
    }
    return figures;
  },
};
