import { PipelineOverrides } from '@flotilla/protocol/device';
import { z } from 'zod';

/**
 * What gateway and runner say to each other: `POST /v1/slots/{slot}/frames` on the slot's socket. Both ways a body is the length of a JSON head
 * (4 bytes, big-endian), the head, then its binary parts: first `bytes` of payload (frames only), then `stateBytes` of state.
 */
export const frameType = 'application/vnd.flotilla.frame';

export const Payload = z.discriminatedUnion('kind', [
  /** JPEG, PNG or WebP. */
  z.object({ kind: z.literal('encoded') }),
  /** Rows from the top, 8 bits a channel, interleaved: red, green, blue; or one grey. */
  z.object({
    kind: z.literal('pixels'),
    width: z.int().min(1).max(16_384),
    height: z.int().min(1).max(16_384),
    channels: z.union([z.literal(1), z.literal(3)]),
  }),
  /** 32-bit floats, little-endian, interleaved by channel; sound lies within −1…1. `rate`: samples a second. */
  z.object({
    kind: z.literal('signal'),
    rate: z.number().gt(0),
    channels: z.int().min(1).max(64),
  }),
  /** A JSON object of features by name. */
  z.object({ kind: z.literal('features') }),
]);
export type Payload = z.infer<typeof Payload>;

export const FrameHead = z.object({
  payload: Payload,
  bytes: z.int().min(0),
  /** What the answer to this stream's last frame brought, as it came; none for its first. */
  stateBytes: z.int().min(0).default(0),
  /** Which source; state belongs to one stream. */
  stream: z.string().min(1).max(128),
  /** File name or the like, for people. */
  name: z.string().max(512).optional(),
  /** When it was taken, by the device's clock. */
  capturedAt: z.iso.datetime(),
  /** Something of the stream was lost just before this: what spans both sides of it means nothing. */
  gap: z.boolean().optional(),
  /** The inspection that this frame was taken for. */
  inspection: z.string().min(1).max(128).optional(),
  /** Of this device's configuration. */
  overrides: PipelineOverrides.optional(),
});
export type FrameHead = z.infer<typeof FrameHead>;

/** A frame and the state that goes with it. */
export type Frame = { head: Omit<FrameHead, 'bytes' | 'stateBytes'>; payload: Uint8Array; state?: Uint8Array | undefined };

const lengthBytes = 4;
const mostHeadBytes = 1024 * 1024;

/** A body that is no frame. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

export function encodeFrame({ head, payload, state = new Uint8Array() }: Frame): Buffer {
  return joined({ ...head, bytes: payload.byteLength, stateBytes: state.byteLength }, [payload, state]);
}

/** Throws FrameError. The parts are views of the body. */
export function decodeFrame(body: Uint8Array): Frame {
  const { head: written, rest } = parted(body);
  const parsed = FrameHead.safeParse(written);
  if (!parsed.success) throw new FrameError(`the frame's head: ${z.prettifyError(parsed.error)}`);
  const { bytes, stateBytes, ...head } = parsed.data;
  if (bytes + stateBytes !== rest.byteLength)
    throw new FrameError(`the frame announces ${bytes} + ${stateBytes} bytes after its head, and has ${rest.byteLength}`);
  const state = stateBytes > 0 ? rest.subarray(bytes) : undefined;
  return { head, payload: rest.subarray(0, bytes), state };
}

/** `predictions`: one, or one for each window that a chunk of a signal completed. */
export type FrameAnswer<Prediction> = { predictions: Prediction[]; state?: Uint8Array | undefined };

export function encodeAnswer({ predictions, state = new Uint8Array() }: FrameAnswer<unknown>): Buffer {
  return joined({ predictions, stateBytes: state.byteLength }, [state]);
}

/** Throws FrameError. */
export function decodeAnswer<T>(body: Uint8Array, prediction: z.ZodType<T>): FrameAnswer<T> {
  const { head, rest } = parted(body);
  const parsed = z.object({ predictions: z.array(prediction), stateBytes: z.int().min(0) }).safeParse(head);
  if (!parsed.success) throw new FrameError(`the answer's head: ${z.prettifyError(parsed.error)}`);
  const { predictions, stateBytes } = parsed.data;
  if (stateBytes !== rest.byteLength)
    throw new FrameError(`the answer announces ${stateBytes} bytes of state and has ${rest.byteLength}`);
  return { predictions, state: stateBytes > 0 ? rest : undefined };
}

function joined(head: object, parts: readonly Uint8Array[]): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(text.byteLength);
  return Buffer.concat([length, text, ...parts]);
}

function parted(body: Uint8Array): { head: unknown; rest: Uint8Array } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.byteLength < lengthBytes) throw new FrameError('it is too short for a frame');
  const length = bytes.readUInt32BE(0);
  if (length > mostHeadBytes || lengthBytes + length > bytes.byteLength)
    throw new FrameError(`the head is announced with ${length} bytes, the body has ${bytes.byteLength}`);
  const text = bytes.toString('utf8', lengthBytes, lengthBytes + length);
  try {
    return { head: JSON.parse(text), rest: body.subarray(lengthBytes + length) };
  } catch (cause) {
    throw new FrameError('the head is no JSON', { cause });
  }
}
