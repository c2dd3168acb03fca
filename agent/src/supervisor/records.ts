import type { BoardSpan } from '../core/board.js';
import type { BootId, ConfigurationReport, ReplyEvent } from '@flotilla/protocol/device';
import type { BoardLog } from './board-log.js';
import type { Outbox } from './outbox.js';
import type { WindowMessage } from './slot-runners.js';
import type { SlotReport } from './slots.js';
import type { VitalsSampler } from './vitals.js';

interface RecordsOptions {
  readonly boot: BootId;
  readonly uptime: () => number;
  readonly outbox: Pick<Outbox, 'append' | 'state'>;
  readonly sampler: VitalsSampler;
  readonly board: BoardLog;
  readonly runnerRssBytes: () => number | undefined;
  /** Slots that serve now. */
  readonly serving: () => number;
}

/** Gives what happens on the device its place in time, and to the outbox. Vitals are taken once a window. */
export class Records {
  readonly #options: RecordsOptions;
  #timer: NodeJS.Timeout | undefined;
  #windowS = 0;
  #sampledAt = 0;

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  update(report: SlotReport): void {
    const { outbox, boot, uptime } = this.#options;
    outbox.append({ type: 'update', boot, uptime: uptime(), ...report });
  }

  configuration(report: ConfigurationReport): void {
    const { outbox, boot, uptime } = this.#options;
    outbox.append({ type: 'configuration', boot, uptime: uptime(), ...report });
  }

  window({ durationS, window, past }: WindowMessage): void {
    const { outbox, boot, uptime } = this.#options;
    const end = uptime();
    const start = Math.max(0, end - durationS);
    // What an earlier deployment is told of later has nothing to do with how the board is now.
    const board = past ? {} : this.#board(start, end);
    outbox.append({ ...window, boot, start, end, ...board });
  }

  /** Energy is the whole board's: each slot that serves has its part, so that windows add up to what was drawn. */
  #board(start: number, end: number): BoardSpan {
    const { board, serving } = this.#options;
    const { energyJ, ...felt } = board.between(start, end);
    return { ...felt, ...(energyJ !== undefined && { energyJ: Number((energyJ / Math.max(1, serving())).toPrecision(5)) }) };
  }

  reply(reply: Pick<ReplyEvent, 'nonce' | 'ok' | 'detail'>): void {
    const { outbox, boot, uptime } = this.#options;
    outbox.append({ type: 'reply', boot, uptime: uptime(), ...reply });
  }

  vitalsEvery(windowS: number): void {
    if (windowS === this.#windowS) return;
    this.stop();
    this.#windowS = windowS;
    this.#options.board.readEvery(windowS);
    this.#timer = setInterval(() => this.#vitals(), windowS * 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#options.board.stop();
  }

  #vitals(): void {
    const { outbox, boot, uptime, sampler, runnerRssBytes } = this.#options;
    const start = this.#sampledAt;
    const end = (this.#sampledAt = uptime());
    const { records, bytes, dropped } = outbox.state;
    const held = { outboxRecords: records, outboxBytes: bytes, outboxDropped: dropped };
    outbox.append({ type: 'vitals', boot, start, end, ...sampler.sample(start, end), ...held, runnerRssBytes: runnerRssBytes() });
  }
}
