import type { DeviceSession } from './device-session.js';
import { Ledger } from './ledger.js';
import { type Message, type NodeId, NodeSession } from './node-session.js';
import type { MetricValue } from './slot-metrics.js';

/** Takes a message, and calls back when there is room for the next: at once, or when the peer has read more. */
type Wire = (message: Message, onRoom: () => void) => void;
type Told = { device: DeviceSession; metrics: readonly MetricValue[] };
/** What metrics of a result belong to. */
export type OfResult = { digest: string; at: number };

/** A host that wishes for a birth a thousand times a second is answered once. */
const birthsApartMs = 1000;
const mostReadingsAtOnce = 50;

/** What is told at once, what must wait, and what is told again: a session with its ledger. */
export class EdgeNode {
  readonly session: NodeSession;
  readonly ledger = new Ledger<Told>();
  #wire: Wire | undefined;
  #hasRoom = true;
  #answeredAt = -Infinity;
  #isBirthWanted = false;

  /** `now`: milliseconds since 1970. */
  constructor(
    id: NodeId,
    private readonly now: () => number = Date.now,
  ) {
    this.session = new NodeSession(id);
  }

  /** A connection on which everything may be said now. */
  begin(wire: Wire): void {
    this.#wire = wire;
    this.#hasRoom = true;
    this.#bear();
    this.#flush();
  }

  /** Nobody listens any more: what is not known to have arrived is told again. */
  end(): void {
    this.#wire = undefined;
    this.#isBirthWanted = false;
    this.session.death(this.now());
    this.ledger.unsend();
  }

  /** Everything from the start, at once; wishes that come in a row share a second birth. Until then there is no data, as the specification wants it. */
  bearAgain(): void {
    if (!this.session.isBorn) return;
    this.#isBirthWanted = true;
    if (this.now() - this.#answeredAt < birthsApartMs) return;
    this.#answeredAt = this.now();
    this.#bear();
    this.#flush();
  }

  /** Each second. */
  tick(): void {
    if (this.#isBirthWanted) this.bearAgain();
  }

  /** A device that comes while the others are there already. */
  add(id: string, metrics: readonly MetricValue[]): DeviceSession {
    const device = this.session.add(id);
    device.take(metrics);
    if (this.session.isBorn) this.#send(this.session.birthOf(device, this.now()));
    return device;
  }

  remove(device: DeviceSession): void {
    const death = this.session.remove(device, this.now());
    if (death) this.#send(death);
  }

  /** What a slot's metrics are now; what is as it was is not told. */
  take(device: DeviceSession, metrics: readonly MetricValue[], result?: OfResult): void {
    const all = result ? [...metrics, ...device.lacking(metrics, result.at)] : metrics;
    // What waits still needs the names that it was made with.
    const isOthers = result !== undefined && device.serves({ digest: result.digest, metrics, canForget: this.#isDirect });
    const { changed, isNew } = device.take(isOthers ? metrics : all);
    if (changed.length === 0 && !isOthers) return;
    const isDirect = this.#isDirect;
    this.ledger.push({ device, metrics: changed }, weightOf(changed));
    if (isDirect) this.ledger.advance();
    if (this.session.isBorn && (isNew || isOthers)) this.#send(this.session.birthOf(device, this.now()));
    else if (isDirect) this.#send(this.session.data({ device, metrics: changed }, this.now()));
  }

  own(metrics: readonly MetricValue[]): void {
    if (this.#isBirthWanted) return;
    const message = this.session.own(metrics, this.now());
    if (message) this.#send(message);
  }

  /** Nothing older waits, and there is room. */
  get #isDirect(): boolean {
    return this.#mayTell && this.ledger.waiting === 0;
  }

  get #mayTell(): boolean {
    return this.session.isBorn && this.#hasRoom && !this.#isBirthWanted;
  }

  #bear(): void {
    this.#isBirthWanted = false;
    for (const message of this.session.births(this.now())) this.#send(message);
  }

  /** What waits, as history, and then what the present is. */
  #flush(): void {
    while (this.#mayTell && this.ledger.waiting > 0) this.#tellHistory();
    if (!this.#mayTell) return;
    for (const device of this.session.devices.values()) {
      const metrics = device.untold();
      if (metrics.length > 0) this.#send(this.session.data({ device, metrics }, this.now()));
    }
  }

  #tellHistory(): void {
    const { device } = this.ledger.peek()!;
    if (this.session.devices.get(device.id) !== device) return this.ledger.lose();
    const metrics: MetricValue[] = [];
    for (let readings = 0; readings < mostReadingsAtOnce; readings++) {
      const told = this.ledger.peek();
      if (told?.device !== device) break;
      metrics.push(...told.metrics);
      this.ledger.advance();
    }
    this.#send(this.session.history({ device, metrics }, this.now()));
  }

  #send(message: Message): void {
    const wire = this.#wire;
    if (!wire) return;
    let isStillHere = true;
    this.#hasRoom = false;
    wire(message, () => {
      if (this.#wire !== wire) return;
      this.#hasRoom = true;
      // Whoever sends goes on by itself; no data comes between births.
      if (!isStillHere) this.#flush();
    });
    isStillHere = false;
  }
}

/** Bytes that it holds in memory, about. */
const weightOf = (metrics: readonly MetricValue[]) =>
  metrics.reduce((sum, { value }) => sum + 100 + (typeof value === 'string' ? 2 * value.length : 0), 100);
