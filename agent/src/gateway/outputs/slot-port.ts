import type { SlotName } from '@flotilla/protocol/device';
import type { Handshake } from '../../core/inspection.js';
import type { SlotStatus } from '../../gateway-protocol.js';
import type { Inspections } from '../inspections.js';
import type { LaneCounts } from '../lane.js';
import type { Result, Results } from '../results.js';
import { grade, headlineOf, type Reading, type ReadingResult } from './reading.js';

/** Why there is a new reading: a result, a change of its quality, or of what the slot serves. */
export type Cause = 'result' | 'quality' | 'status';
type ReadingListener = (reading: Reading, cause: Cause) => void;
type HandshakeListener = (handshake: Handshake | undefined) => void;
/** What of a slot's gateway a port looks at. */
export type PortSource = {
  results: Results;
  inspections: Inspections | undefined;
  lane: { counts: LaneCounts };
};

const unknownYet = (slot: SlotName): SlotStatus => ({
  slot,
  // Until the supervisor has said otherwise, results speak for themselves.
  state: 'serving',
  update: 'idle',
  swaps: 0,
  rollBacks: 0,
  drift: 'unknown',
});

/** What outputs see of one slot: it stays when the slot's source is configured anew, so that no peer sees more of it than a gap in time. */
export class SlotPort {
  #status: SlotStatus;
  #source: PortSource | undefined;
  #unsubscribe: (() => void)[] = [];
  #result: ReadingResult | undefined;
  #resultAt = 0;
  #sequence = 0;
  #reading: Reading;
  #timer: NodeJS.Timeout | undefined;
  readonly #listeners = new Set<ReadingListener>();
  readonly #followers = new Set<HandshakeListener>();

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(
    readonly slot: SlotName,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#status = unknownYet(slot);
    this.#reading = this.#made();
  }

  /** The newest, as it was last told to everybody: readers at any pace see the same. */
  get latest(): Reading {
    return this.#reading;
  }

  get status(): SlotStatus {
    return this.#status;
  }

  /** The trigger, where the slot has one at present. */
  get inspections(): Inspections | undefined {
    return this.#source?.inspections;
  }

  /** Of the slot's lane; undefined where it has none at present. */
  get counts(): LaneCounts | undefined {
    return this.#source?.lane.counts;
  }

  /** Called for each reading, in order. A listener must neither throw nor take its time. What ends it. */
  subscribe(listener: ReadingListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Called for each change of the trigger's handshake, whichever trigger the slot has at the time. What ends it. */
  followTrigger(follower: HandshakeListener): () => void {
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }

  attach(source: PortSource): void {
    this.detach();
    this.#source = source;
    this.#unsubscribe = [
      source.results.subscribe((result) => this.#take(result)),
      source.inspections?.subscribe((handshake) => this.#follow(handshake)) ?? (() => {}),
    ];
    this.#follow(source.inspections?.handshake);
  }

  detach(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#source = undefined;
  }

  told(status: SlotStatus): void {
    this.#status = status;
    this.#tell('status');
  }

  close(): void {
    this.detach();
    clearTimeout(this.#timer);
    this.#listeners.clear();
    this.#followers.clear();
  }

  #follow(handshake: Handshake | undefined): void {
    for (const follower of this.#followers) follower(handshake);
  }

  #take({ prediction, capturedAt, latencyMs }: Result): void {
    this.#result = { prediction, capturedAt, latencyMs, headline: headlineOf(prediction) };
    this.#resultAt = this.now();
    this.#timer ??= setTimeout(() => this.#lookAtAge(), this.#staleMs);
    this.#tell('result');
  }

  /** One timer at a time, set anew when it fires: results come a thousand times a second. */
  #lookAtAge(): void {
    const left = this.#resultAt + this.#staleMs - this.now();
    this.#timer = left > 0 ? setTimeout(() => this.#lookAtAge(), Math.ceil(left)) : undefined;
    if (left <= 0) this.#tell('quality');
  }

  get #staleMs(): number {
    return this.#source?.results.staleMs ?? 0;
  }

  #tell(cause: Cause): void {
    this.#reading = this.#made();
    for (const listener of this.#listeners) listener(this.#reading, cause);
  }

  #made(): Reading {
    const isStale = this.#timer === undefined;
    return {
      slot: this.slot,
      sequence: this.#sequence++,
      ...grade(this.#result, { status: this.#status, isStale }),
      at: Date.now(),
      result: this.#result,
      status: this.#status,
    };
  }
}
