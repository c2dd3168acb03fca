import type { Committed, Report } from '@flotilla/agent/core/slot-state';
import type { OutboxState } from '@flotilla/agent/supervisor/outbox-contract';
import type {
  AlarmEvent,
  BootId,
  Digest,
  EventRecord,
  InferenceWindow,
  SlotName,
  TelemetryRecord,
  UpdateEvent,
  Vitals,
} from '@flotilla/protocol';
import { Distinct } from './ledger.js';
import type { SimulatedModel } from './simulated-model.js';

export interface RecorderParts {
  readonly boot: BootId;
  readonly uptime: () => number;
  readonly random: () => number;
  readonly slots: () => readonly { name: SlotName; serving: Committed }[];
  readonly modelOf: (digest: Digest) => SimulatedModel;
  readonly keep: (records: readonly (EventRecord | TelemetryRecord)[]) => void;
  /** Which life of the device this is: it numbers its records anew in each. */
  readonly life?: number | undefined;
  readonly held: () => Pick<OutboxState, 'records' | 'bytes' | 'dropped'>;
}

const megabyte = 2 ** 20;

/** What the device measured and what happened on it, in the form in which an agent tells it. */
export class Recorder {
  readonly #parts: RecorderParts;
  readonly #windows: Distinct;
  readonly #vitals: Distinct;
  #timer: NodeJS.Timeout | undefined;
  #windowS = 0;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
    this.#windows = new Distinct(parts.life);
    this.#vitals = new Distinct(parts.life);
  }

  /** Windows of this length from now on; the first one ends at a moment of the device's own. */
  every(windowS: number): void {
    if (windowS === this.#windowS) return;
    this.stop();
    this.#windowS = windowS;
    this.#timer = setTimeout(
      () => {
        this.record();
        this.#timer = setInterval(() => this.record(), windowS * 1000);
      },
      windowS * 1000 * this.#parts.random(),
    );
  }

  /** Nothing is measured any more, until it is told to again. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#windowS = 0;
  }

  /** One window of each slot that serves, and vitals: as if `windowS` had gone by, `times` over. */
  record(times = 1, windowS = this.#windowS): void {
    const { uptime, keep } = this.#parts;
    const now = uptime();
    const records = Array.from({ length: times }, (_, i) => {
      const end = Math.max(0, now - (times - 1 - i) * windowS);
      const start = Math.max(0, end - windowS);
      return [...this.#parts.slots().map((slot) => this.#window(slot, start, end)), this.#measured(start, end)];
    });
    keep(records.flat());
  }

  alarm(event: AlarmEvent): void {
    this.#parts.keep([event]);
  }

  update(slot: SlotName, { deployment, digest, state, failure, reason, variant, committed }: Report): void {
    const { boot, uptime, keep } = this.#parts;
    const told = { failure, reason, variant, committed };
    const event: UpdateEvent = { type: 'update', boot, uptime: uptime(), slot, deployment, digest, state };
    keep([Object.assign(event, told)]);
  }

  reply(nonce: string): void {
    const { boot, uptime, keep } = this.#parts;
    keep([{ type: 'reply', boot, uptime: uptime(), nonce, ok: true, detail: 'simulated' }]);
  }

  #window({ name, serving }: { name: SlotName; serving: Committed }, start: number, end: number): InferenceWindow {
    const { boot, modelOf, random } = this.#parts;
    const { deployment, digest, variant } = serving;
    const measured = modelOf(digest).window(random);
    const place = { boot, slot: name, deployment, digest, variant, start, end };
    const computeCpuUs = this.#windows.of(measured.computeCpuUs);
    return {
      type: 'window',
      ...place,
      ...measured,
      computeCpuUs,
      rssBytes: Math.round((60 + 20 * random()) * megabyte),
      temperatureMaxC: Math.round(400 + 300 * random()) / 10,
      throttledMs: random() < 0.02 ? Math.round(1000 * (end - start) * random()) : 0,
      energyJ: Math.round(10 * (5 + 10 * random()) * (end - start)) / 10,
    };
  }

  #measured(start: number, end: number): Vitals {
    const { boot, random, held } = this.#parts;
    const { records: outboxRecords, bytes: outboxBytes, dropped: outboxDropped } = held();
    return {
      type: 'vitals',
      boot,
      start,
      end,
      cpu: Math.round(1000 * random()) / 1000,
      memoryUsedBytes: this.#vitals.of(Math.round((1500 + 500 * random()) * megabyte)),
      memoryTotalBytes: 4096 * megabyte,
      supervisorRssBytes: 95 * megabyte,
      runnerRssBytes: 140 * megabyte,
      temperatureC: Math.round(400 + 300 * random()) / 10,
      throttled: random() < 0.02,
      powerW: Math.round(50 + 100 * random()) / 10,
      outboxRecords,
      outboxBytes,
      outboxDropped,
    };
  }
}
