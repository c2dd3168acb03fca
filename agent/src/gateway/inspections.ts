import type { TriggerConfig } from '@flotilla/protocol/device';
import { firstHandshake, type Handshake, type HandshakeEvent, reduceHandshake } from '../core/inspection.js';
import type { Result } from './results.js';

/** One inspection from its command on. `capturedAt`: milliseconds since 1970. */
export type Inspection = {
  id: string;
  sequence: number;
  state: 'busy' | 'done' | 'error';
  capturedAt?: number;
  reason?: string;
  result?: Result;
};

/** Not now; the sentence says why. */
export class InspectionRefused extends Error {
  override readonly name = 'InspectionRefused';
}

const kept = 256;
const now = () => performance.now();

/** The inspections of one slot: the handshake's state, and the last ones by id, so that a command sent twice captures once. */
export class Inspections {
  #handshake: Handshake = firstHandshake;
  readonly #byId = new Map<string, Inspection>();
  readonly #ends = new Map<string, PromiseWithResolvers<Inspection>>();
  readonly #listeners = new Set<(handshake: Handshake, inspection: Inspection | undefined) => void>();
  #timer: NodeJS.Timeout | undefined;
  #every: NodeJS.Timeout | undefined;

  /** `trouble`: why nothing is inferred at present; empty where all is well. */
  constructor(
    private readonly config: TriggerConfig,
    private readonly trouble: () => string = () => '',
  ) {}

  get handshake(): Handshake {
    return this.#handshake;
  }

  /** A command on its own pace, where one is configured. */
  start(): void {
    const { everyS } = this.config;
    if (everyS === undefined) return;
    this.#every ??= setInterval(() => this.#commandIfReady(), everyS * 1000);
  }

  /** Those under way end in an error. */
  stop(reason: string): void {
    clearInterval(this.#every);
    if (this.#handshake.state === 'busy') this.fail(this.#handshake.id, reason);
    clearTimeout(this.#timer);
  }

  /** Throws InspectionRefused. An id that is known already is not captured again. */
  command(id: string): Inspection {
    const known = this.#byId.get(id);
    if (known) return known;
    this.#take({ type: 'command', id, at: now() });
    return this.#byId.get(id)!;
  }

  /** Resolves with its end, whatever that is; undefined for one that is not known. */
  async end(id: string): Promise<Inspection | undefined> {
    const inspection = this.#byId.get(id);
    return inspection?.state === 'busy' ? this.#ends.get(id)?.promise : inspection;
  }

  find(id: string): Inspection | undefined {
    return this.#byId.get(id);
  }

  /** Throws InspectionRefused. */
  acknowledge(id: string): void {
    this.#take({ type: 'acknowledge', id });
  }

  /** The inspection that waits for a capture, which it has with this. */
  claim(capturedAt: number): string | undefined {
    const { state } = this.#handshake;
    if (state !== 'busy' || !this.#handshake.capturing) return undefined;
    const { id } = this.#handshake;
    this.#byId.get(id)!.capturedAt = capturedAt;
    this.#take({ type: 'captured', id });
    return id;
  }

  /** One that is over already stays as it is. */
  finish(id: string, result: Result): void {
    const inspection = this.#byId.get(id);
    if (!inspection || inspection.state !== 'busy') return;
    inspection.result = result;
    this.#take({ type: 'result', id, at: now() });
  }

  fail(id: string, reason: string): void {
    if (this.#byId.get(id)?.state === 'busy') this.#take({ type: 'failure', id, at: now(), reason });
  }

  /** Each change of the handshake; what ends it. */
  subscribe(listener: (handshake: Handshake, inspection: Inspection | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** While another is under way, or waits for its acknowledgement, a turn is left out. */
  #commandIfReady(): void {
    try {
      this.command(`every-${this.#handshake.sequence + 1}`);
    } catch (error) {
      if (!(error instanceof InspectionRefused)) throw error;
    }
  }

  #take(event: HandshakeEvent): void {
    const step = reduceHandshake(this.#handshake, event, this.config);
    if ('refused' in step) throw new InspectionRefused(step.refused);
    if (step.handshake === this.#handshake) return;
    this.#handshake = step.handshake;
    this.#record(step.handshake);
    this.#await(step.handshake);
    const inspection = step.handshake.state === 'ready' ? undefined : this.#byId.get(step.handshake.id);
    for (const listener of this.#listeners) listener(step.handshake, inspection);
  }

  #record(handshake: Handshake): void {
    if (handshake.state === 'ready') return;
    const { id, sequence, state } = handshake;
    const inspection = this.#byId.get(id) ?? this.#begin({ id, sequence, state: 'busy' });
    inspection.state = state;
    if (handshake.state === 'error') inspection.reason = handshake.reason;
    if (state === 'busy') return;
    this.#ends.get(id)?.resolve(inspection);
    this.#ends.delete(id);
  }

  #begin(inspection: Inspection): Inspection {
    this.#byId.set(inspection.id, inspection);
    this.#ends.set(inspection.id, Promise.withResolvers());
    for (const [id, { state }] of this.#byId) {
      if (this.#byId.size <= kept) break;
      if (state !== 'busy') this.#byId.delete(id);
    }
    return inspection;
  }

  #await(handshake: Handshake): void {
    clearTimeout(this.#timer);
    if (handshake.state === 'ready' || handshake.until === undefined) return;
    // A timer may fire a little early; the reducer would find that it is not time yet.
    const tick = () => this.#take({ type: 'tick', at: now(), trouble: this.trouble() });
    this.#timer = setTimeout(tick, Math.max(1, Math.ceil(handshake.until - now()) + 1));
  }
}
