import { z } from 'zod';

/** Tensor datatypes by their Open Inference Protocol names. */
export const Datatype = z.enum([
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
]);
export type Datatype = z.infer<typeof Datatype>;

/** −1 is a free dimension. */
export const TensorSignature = z.strictObject({
  name: z.string().min(1).max(256),
  type: Datatype,
  shape: z.array(z.int().min(-1).max(1_000_000_000)).max(8),
});
export type TensorSignature = z.infer<typeof TensorSignature>;

/** A path inside the release folder; never absolute, never upwards. */
export const ReleasePath = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/, 'must be a relative path of letters, digits, "_", "." and "-"')
  .refine((path) => path.split('/').every((part) => part !== '.' && part !== '..'), 'must not contain "." or ".."');
