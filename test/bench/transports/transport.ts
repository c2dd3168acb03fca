import type { TensorSignature } from '@flotilla/protocol';

/** Where a server listens. */
export type Target = { port: number } | { path: string };
/** One inference, asked again and again: inputs as binary, outputs as binary. */
export type Call = {
  slot: string;
  inputs: TensorSignature[];
  /** Fewer in an answer are a failure. */
  outputBytes: number;
  /** Within which an answer is of use. */
  timeoutMs?: number | undefined;
  /** Files of pictures in turn, in place of tensors. */
  pictures?: string[] | undefined;
};
/** `shed`: refused for want of time or room, as the server should. `moved`: its stream was sent to the runner that follows, before it was taken. */
export type Outcome = { kind: 'ok' } | { kind: 'shed' } | { kind: 'moved' } | { kind: 'failed'; reason: string };
/** One inference at a time. */
export type Connection = { infer(): Promise<Outcome>; close(): void };
export type Transport = { open(target: Target, call: Call): Promise<Connection> };
export type TransportName = 'rest' | 'grpc' | 'grpcBare' | 'grpcStream' | 'frames';

/** A free dimension is 1; values that are numbers, so that nothing is refused or slowed by NaN. */
export function dataOf({ shape }: TensorSignature): { shape: number[]; bytes: Buffer } {
  const dimensions = shape.map((dimension) => Math.max(1, dimension));
  const values = new Float32Array(dimensions.reduce((product, dimension) => product * dimension, 1)).fill(0.5);
  return { shape: dimensions, bytes: Buffer.from(values.buffer) };
}
