import type { Payload } from '../frame.js';

/** One picture, chunk of a signal, or set of features, as a source has it. */
export type Captured = {
  payload: Payload;
  bytes: Uint8Array;
  /** Milliseconds since 1970, when it was taken. */
  capturedAt: number;
  /** File name, topic or the like, for people. */
  name?: string | undefined;
  /** Something of this stream was lost just before. */
  gap?: boolean | undefined;
};

/**
 * `inferred`: its result is out. `refused`: it will never do (a broken picture). `busy`: nothing took it in time; it may be tried again later.
 * `unasked`: it came when no inspection asked for it, and is passed over.
 */
export type Outcome = 'inferred' | 'refused' | 'busy' | 'unasked';

/** `waiting`: nothing to read yet, or it is being reached again; `failed`: it needs somebody's hand. The reason is a sentence. */
export type SourceState = { state: 'starting' | 'running' | 'waiting' | 'failed'; reason?: string | undefined };

/** What came to nothing in the source itself: a broken line, a message that is too large. The reason is a sentence. */
export type Loss = { reason: string; name?: string | undefined };

/** What a source writes to. */
export type Sink = {
  /** Of something that goes on whether anybody looks or not (a camera, a microphone): returns at once. Of what waits, the newest stays; drops are counted. */
  offer: (captured: Captured) => void;
  /** Of something that can wait (a file, a message): resolves when it is through. */
  submit: (captured: Captured) => Promise<Outcome>;
  /** Counted, and named now and then: a flood of them must not fill the log. */
  lost: (loss: Loss) => void;
  /** Said again and again without harm; each change is logged once, by who listens. */
  state: (state: SourceState) => void;
};

/** It begins when `start` is called and tries again by itself, for ever and with pauses, whatever fails; it never throws. */
export type Source = {
  start: (sink: Sink) => void;
  /** Resolves when it lets go of its device, file or connection, within two seconds. */
  stop: () => Promise<void>;
};

/** Where a source works. */
export type SourceContext = {
  slot: string;
  /** For what this slot's source keeps over restarts (certificates, its name at a broker): it makes it, 0700, when it needs it. */
  folder: string;
};
