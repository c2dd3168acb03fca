import { type Call, type CallLimits } from './call.js';
import type { Frame } from './framing.js';
import { CallError, codes } from './status.js';

/** When the call came, how long its client waits, and whether it still does. */
export type CallTime = Pick<Call, 'since' | 'timeoutMs' | 'isGone' | 'onGone'>;
export type Pieces = readonly Uint8Array[];
/** One message in, one out. The request's bytes are lent, and only until `handle` first waits. */
export type Unary = { kind: 'unary'; handle: (request: Buffer, time: CallTime) => Promise<Pieces> | Pieces };
/** Any number in, lent likewise, each handled on its own; what it sends goes out in the order it is sent. */
export type Streaming = {
  kind: 'streaming';
  handle: (request: Buffer, time: CallTime, send: (pieces: Pieces) => Promise<void>) => Promise<void> | void;
  /** The client hears from it for as long as it likes, though it has said all: ended by the server alone. */
  lasting?: boolean;
};
export type Method = Unary | Streaming;

/** Messages of one stream that are worked on at once; the rest wait in the client's own window. */
const atOnce = 16;

export function serveUnary(call: Call, { handle }: Unary, limits: CallLimits): void {
  const frames: Frame[] = [];
  const onEnd = async () => {
    try {
      if (frames.length !== 1) throw new CallError(codes.invalidArgument, `${frames.length} messages came, expected one`);
      await call.send(await call.read(frames[0]!, limits, (request) => handle(request, call)));
      call.end();
    } catch (error) {
      call.fail(error);
    }
  };
  call.receive(
    limits,
    (frame) => frames.length < 2 && frames.push(frame),
    () => void onEnd(),
  );
}

/** A stream of messages each way. */
export class StreamingCall {
  readonly #waiting: Frame[] = [];
  #running = 0;
  /** Set where no more is taken. */
  #closing: (() => void) | undefined;

  constructor(
    private readonly call: Call,
    private readonly method: Streaming,
    private readonly limits: CallLimits,
  ) {
    call.receive(
      limits,
      (frame) => this.#take(frame),
      () => method.lasting || this.#finish(() => call.end()),
    );
  }

  /** What came whole is still answered; then the client is sent on. */
  drain(): void {
    this.#finish(() =>
      this.call.fail(new CallError(codes.unavailable, 'moved: another runner serves this slot now; open the stream again')),
    );
  }

  #take(frame: Frame): void {
    if (this.#closing) return;
    this.#waiting.push(frame);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < atOnce && this.#waiting.length > 0) void this.#answer(this.#waiting.shift()!);
    if (this.#waiting.length > 0) this.call.pause();
    else this.call.resume();
    if (this.#closing && this.#running === 0) this.#closing();
  }

  async #answer(frame: Frame): Promise<void> {
    this.#running += 1;
    try {
      const send = (pieces: Pieces) => this.call.send(pieces);
      await this.call.read(frame, this.limits, (request) => this.method.handle(request, this.call, send));
    } catch (error) {
      this.call.fail(error);
    }
    this.#running -= 1;
    this.#pump();
  }

  #finish(end: () => void): void {
    this.#closing ??= end;
    this.#pump();
  }
}
