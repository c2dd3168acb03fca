import { Datatype, ExecutionProvider, TensorSignature } from '@flotilla/protocol/device';
import { z } from 'zod';

/** What runner and engine say to each other in the heads of frames. The runner asks; each question has a number, and one answer. */

const id = z.int().min(0);
const text = z.string().max(4000);
const micros = z.number().min(0);
const bytes = z.int().min(0);

/** A tensor in the payload: `length` bytes from `offset`, which is a multiple of 64. */
export const TensorPlace = z.object({
  name: z.string().max(256),
  type: Datatype,
  shape: z.array(z.int().min(0)).max(16),
  offset: bytes,
  length: bytes,
});
export type TensorPlace = z.infer<typeof TensorPlace>;

export type ToEngine =
  | { type: 'hello'; id: number; protocol: number; probe: boolean }
  | {
      type: 'load';
      id: number;
      path: string;
      intraOpThreads: number;
      providers: readonly string[];
      cacheFolder?: string | undefined;
    }
  | { type: 'warm'; id: number; runs: number; tensors: TensorPlace[] }
  | { type: 'run'; id: number; tensors: TensorPlace[] }
  | { type: 'stats' | 'close'; id: number };

export const Hello = z.object({
  type: z.literal('hello'),
  id,
  protocol: z.int(),
  engine: z.object({ name: z.string().max(64), version: z.string().max(64) }),
  /** What computes: for `minOrt` and the hardware class. */
  runtime: z.object({ name: z.string().max(64), version: z.string().max(64) }),
  /** Ours among those that it could use; what it calls others is its own business. */
  providers: z
    .array(z.string().max(64))
    .max(32)
    .transform((names) => names.flatMap((name) => ExecutionProvider.safeParse(name).data ?? [])),
});
export type Hello = z.infer<typeof Hello>;

export const Progress = z.object({
  type: z.literal('progress'),
  id,
  phase: z.enum(['loading', 'compiling']),
  fraction: z.number().min(0).max(1).optional(),
  what: z.string().max(200).optional(),
});
export type Progress = z.infer<typeof Progress>;

const Failed = z.object({
  type: z.literal('failed'),
  id,
  /** `model-refused`: the file is at fault, not the engine. */
  code: z.enum(['model-refused', 'run-failed', 'bad-request', 'internal']),
  reason: text,
});

export const FromEngine = z.discriminatedUnion('type', [
  Hello,
  Progress,
  Failed,
  z.object({
    type: z.literal('loaded'),
    id,
    inputs: z.array(TensorSignature).max(256),
    outputs: z.array(TensorSignature).max(256),
    /** Those that the session really has, in its own order. */
    providers: z.array(z.string().max(64)).max(32),
    loadMs: z.number().min(0),
  }),
  z.object({ type: z.literal('warmed'), id }),
  z.object({ type: z.literal('ran'), id, wallUs: micros, cpuUs: micros, tensors: z.array(TensorPlace).max(256) }),
  /** `deviceBytes`: what it holds on the accelerator and the process's resident bytes do not show. */
  z.object({ type: z.literal('stats'), id, rssBytes: bytes, peakRssBytes: bytes, deviceBytes: bytes.default(0) }),
  z.object({ type: z.literal('closed'), id }),
  /** The last frame of an engine that can't go on. */
  z.object({ type: z.literal('fatal'), reason: text }),
]);
export type FromEngine = z.infer<typeof FromEngine>;
