import { Datatype } from '@flotilla/protocol';
import { z } from 'zod';

/** The Open Inference Protocol's answers. What it takes is parsed by `oip/request.ts`. */

export const ServerMetadata = z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) });
export const ServerLive = z.object({ live: z.boolean() });
export const ServerReady = z.object({ ready: z.boolean() });
export const ModelReady = z.object({ name: z.string(), ready: z.boolean() });

const TensorMetadata = z.object({
  name: z.string(),
  datatype: Datatype,
  shape: z.array(z.int().min(-1)).describe('−1 is a free dimension.'),
});
export const ModelMetadata = z.object({
  name: z.string().describe('The slot.'),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(TensorMetadata),
  outputs: z.array(TensorMetadata),
});

export const InferResponse = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: Datatype,
      shape: z.array(z.int().min(0)),
      parameters: z.object({ binary_data_size: z.int().min(0) }).optional(),
      data: z.array(z.union([z.number(), z.boolean(), z.string()])).optional(),
    }),
  ),
});

export const Health = z.object({
  status: z.enum(['ok', 'safe-mode']),
  slot: z.string().optional(),
  release: z.string().optional(),
  digest: z.string().optional(),
  deployment: z.string().optional(),
});
