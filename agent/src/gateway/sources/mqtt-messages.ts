import { createHash } from 'node:crypto';
import type { IPublishPacket } from 'mqtt';
import type { Captured, Outcome, Sink } from '../source.js';
import { ContentError, contentOf } from './content.js';
import { pause } from './persistent.js';

/** Topics whose retained message is remembered. */
const mostRetained = 1024;
const longestName = 512;
const busyPauseMs = 500;

/** What becomes of a source's messages, over all its connections. */
export class MqttMessages {
  /** The retained message of each topic: the broker sends it again with each subscription. */
  readonly #retained = new Map<string, string>();
  /** Its acknowledgement may not have reached the broker, which sends it again then. */
  #last: { key: string; outcome: Promise<Outcome> } | undefined;

  constructor(private readonly sink: Sink) {}

  /** Resolves when the message may be acknowledged; false where it may not, as the connection is over. `waits` is called while nothing takes it. */
  async take(packet: IPublishPacket, signal: AbortSignal, waits: () => void): Promise<boolean> {
    const bytes = Buffer.from(packet.payload);
    // An empty one deletes what was retained.
    if (bytes.length === 0 || this.#isKnown(packet, bytes)) return true;
    const captured = this.#captured(packet, bytes);
    if (!captured) return true;
    if (packet.qos > 0) return await this.#submit(captured, keyOf(packet, bytes), signal, waits);
    this.sink.offer(captured);
    return true;
  }

  #isKnown({ retain, topic }: IPublishPacket, bytes: Buffer): boolean {
    if (!retain) return false;
    const hash = hashOf(bytes);
    if (this.#retained.get(topic) === hash) return true;
    if (this.#retained.size >= mostRetained) this.#retained.delete(this.#retained.keys().next().value!);
    this.#retained.set(topic, hash);
    return false;
  }

  #captured({ topic }: IPublishPacket, bytes: Buffer): Captured | undefined {
    const name = topic.slice(0, longestName);
    try {
      return { ...contentOf(bytes), capturedAt: Date.now(), name };
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      this.sink.lost({ name, reason: `a message on ${topic} can not be read: ${error.message}` });
      return undefined;
    }
  }

  async #submit(captured: Captured, key: string, signal: AbortSignal, waits: () => void): Promise<boolean> {
    while (!signal.aborted) {
      if (this.#last?.key !== key) this.#last = { key, outcome: this.sink.submit(captured) };
      const outcome = await unless(signal, this.#last.outcome);
      if (outcome === undefined) return false;
      if (outcome !== 'busy') return true;
      this.#last = undefined;
      waits();
      await pause(busyPauseMs, signal);
    }
    return false;
  }
}

/** The same message again has the same number and the same bytes. */
const keyOf = ({ messageId, topic }: IPublishPacket, bytes: Buffer) => `${messageId}/${topic}/${hashOf(bytes)}`;
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64');

/** Undefined once `signal` aborts. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
