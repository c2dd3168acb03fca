import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SlotName } from '@flotilla/protocol';
import type { GatewaySlot, ToGateway } from '../gateway-protocol.js';
import type { Logger } from '../log.js';
import { SlotGateway } from './slot-gateway.js';
import type { SourceState } from './source.js';

type Configure = Extract<ToGateway, { type: 'configure' }>;
type Surroundings = { log: Logger; onSource: (slot: SlotName, state: SourceState) => void };

/** All slots of this device. */
export class Gateway {
  readonly #slots = new Map<SlotName, SlotGateway>();
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly around: Surroundings) {}

  get slots(): ReadonlyMap<string, SlotGateway> {
    return this.#slots;
  }

  /** What is unchanged is not disturbed; one after the other, in the order they came. */
  configure(order: Configure): Promise<void> {
    this.#last = this.#last.then(() => this.#configure(order));
    return this.#last;
  }

  async stop(): Promise<void> {
    await this.#last;
    await Promise.all([...this.#slots.values()].map((slot) => slot.stop()));
  }

  async #configure({ slots, dataDir }: Configure): Promise<void> {
    const wanted = new Map(slots.map((config) => [config.slot, config]));
    const leaving = [...this.#slots].filter(([name, { config }]) => !isSameWork(config, wanted.get(name)));
    // A device may be opened once only: the old source lets go of it before the new one takes it.
    await Promise.all(leaving.map(([, slot]) => slot.stop()));
    for (const [name] of leaving) this.#slots.delete(name);
    for (const [name, slot] of this.#slots) slot.cameFrom(wanted.get(name)!.from);
    const coming = [...wanted.values()].filter(({ slot }) => !this.#slots.has(slot));
    await Promise.all(coming.map((config) => this.#begin(config, dataDir)));
  }

  #begin(config: GatewaySlot, dataDir: string): Promise<void> {
    const { log, onSource } = this.around;
    const slot = new SlotGateway({
      config,
      folder: join(dataDir, 'sources', config.slot),
      log,
      onSource: (_name, state) => onSource(config.slot, state),
    });
    this.#slots.set(config.slot, slot);
    return slot.start();
  }
}

/** Whoever asks for it. */
const isSameWork = (is: GatewaySlot, wanted: GatewaySlot | undefined): boolean =>
  wanted !== undefined && isDeepStrictEqual({ ...is, from: wanted.from }, wanted);
