import { encodePayload, toColumns, type Batch, type BootId, type StreamId } from '@flotilla/protocol/device';
import type { Logger } from './logger.js';
import type { MqttLink } from './mqtt-link.js';
import type { Outbox } from './outbox.js';
import type { OutboxBatch, RecordClass } from './outbox-contract.js';

export interface UplinkOptions {
  readonly link: Pick<MqttLink, 'publish' | 'room'>;
  readonly outbox: Pick<Outbox, 'state' | 'nextBatch' | 'sendAgain'>;
  readonly boot: BootId;
  readonly uptime: () => number;
  readonly log: Logger;
  /** Seconds between uploads of windows; events go at once. */
  readonly uploadS: number;
}

/** Between looks for what has to be sent again. */
const resendTickS = 5;

/** Moves the outbox's records to the broker: events at once, windows at each upload, what stays unacknowledged again. */
export class Uplink {
  readonly #options: UplinkOptions;
  #uploadS: number;
  #open = false;
  #uploading = false;
  #pumping = false;
  #again = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#uploadS = options.uploadS;
  }

  /** Welcomed: what the last connection may have lost goes first, and so does the backlog. */
  async resume(): Promise<void> {
    await this.#options.outbox.sendAgain();
    this.#open = true;
    this.#setTimers();
    this.uploadNow();
  }

  pause(): void {
    this.#open = false;
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  uploadEvery(seconds: number): void {
    if (seconds === this.#uploadS) return;
    this.#uploadS = seconds;
    if (this.#open) this.#setTimers();
  }

  /** Windows too, without waiting for their time. */
  uploadNow(): void {
    this.#uploading = true;
    this.pump();
  }

  /** Something may be there to send, or room for it. */
  pump(): void {
    this.#again = true;
    if (!this.#pumping)
      this.#run().catch((error: unknown) => this.#options.log.error({ error }, 'sending from the outbox failed'));
  }

  #setTimers(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [
      setInterval(() => this.uploadNow(), this.#uploadS * 1000),
      setInterval(() => this.pump(), resendTickS * 1000),
    ];
  }

  async #run(): Promise<void> {
    this.#pumping = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#sendAll('event');
        if (!this.#uploading) continue;
        // Goes on until the outbox has no more, not until the room is used up: a PUBACK pumps again, and so does an acknowledgement.
        if (await this.#sendAll('window')) this.#uploading = this.#options.outbox.state.unsent.window > 0;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** True once nothing of this class is left to send now. */
  async #sendAll(recordClass: RecordClass): Promise<boolean> {
    const { link, outbox } = this.#options;
    while (this.#open && link.room > 0) {
      const batch = await outbox.nextBatch(recordClass);
      if (!batch) return true;
      this.#send(batch);
    }
    return false;
  }

  #send(batch: OutboxBatch): void {
    const { link, log } = this.#options;
    const kind = batch.class === 'event' ? 'event' : 'telemetry';
    link
      .publish(kind, encodePayload(this.#message(batch)))
      .then(() => this.pump())
      // Still in the outbox, and due again later or after the next welcome.
      .catch((error: unknown) => log.debug({ error, seq0: batch.seq0 }, 'a batch was not sent'));
  }

  #message({ seq0, bodies }: OutboxBatch): Batch {
    const { outbox, boot, uptime } = this.#options;
    const records = toColumns(bodies.map((body) => JSON.parse(body) as Record<string, unknown>));
    const { stream, base } = outbox.state;
    return { v: 1, stream: stream as StreamId, boot, uptime: uptime(), base, seq0, records };
  }
}
