import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SlotName } from '@flotilla/protocol/device';
import type { GatewaySlot, SlotStatus, ToGateway } from '../gateway-protocol.js';
import type { Logger } from '../log.js';
import { Outputs, type OutputView } from './outputs/outputs.js';
import { SlotPort } from './outputs/slot-port.js';
import { SlotGateway } from './slot-gateway.js';
import type { SourceState } from './source.js';

type Configure = Extract<ToGateway, { type: 'configure' }>;
type Surroundings = { log: Logger; onSource: (slot: SlotName, state: SourceState) => void };

/** All slots of this device. */
export class Gateway {
  readonly #slots = new Map<SlotName, SlotGateway>();
  readonly #ports = new Map<SlotName, SlotPort>();
  readonly #outputs: Outputs;
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly around: Surroundings) {
    this.#outputs = new Outputs({ port: (slot) => this.#port(slot), log: around.log });
  }

  get slots(): ReadonlyMap<string, SlotGateway> {
    return this.#slots;
  }

  get outputs(): OutputView[] {
    return this.#outputs.views;
  }

  /** What a slot serves from now on. */
  told(status: SlotStatus): void {
    this.#port(status.slot).told(status);
  }

  /** What is unchanged is not disturbed; one after the other, in the order they came. */
  configure(order: Configure): Promise<void> {
    this.#last = this.#last.then(() => this.#configure(order));
    return this.#last;
  }

  async stop(): Promise<void> {
    await this.#last;
    await Promise.all([this.#outputs.stop(), ...[...this.#slots.values()].map((slot) => slot.stop())]);
    for (const port of this.#ports.values()) port.close();
  }

  async #configure({ slots, dataDir, device }: Configure): Promise<void> {
    const wanted = new Map(slots.map((config) => [config.slot, config]));
    const leaving = [...this.#slots].filter(([name, { config }]) => !isSameWork(config, wanted.get(name)));
    // A device may be opened once only: the old source lets go of it before the new one takes it.
    await Promise.all(leaving.map(([, slot]) => slot.stop()));
    for (const [name] of leaving) {
      this.#slots.delete(name);
      this.#ports.get(name)?.detach();
    }
    for (const [name, slot] of this.#slots) slot.askedFor(wanted.get(name)!);
    const coming = [...wanted.values()].filter(({ slot }) => !this.#slots.has(slot));
    const begun = coming.map((config) => this.#begin(config, dataDir));
    await Promise.all([this.#outputs.configure({ slots, device, dataDir }), ...begun]);
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
    this.#port(config.slot).attach(slot);
    return slot.start();
  }

  #port(name: SlotName): SlotPort {
    const known = this.#ports.get(name);
    if (known) return known;
    const port = new SlotPort(name);
    port.subscribe((reading, cause) => this.#slots.get(name)?.heard(reading, cause));
    this.#ports.set(name, port);
    return port;
  }
}

/** Whoever asks for it, and wherever results go. */
const isSameWork = (is: GatewaySlot, wanted: GatewaySlot | undefined): boolean =>
  wanted !== undefined && isDeepStrictEqual({ ...is, from: {}, outputs: undefined }, { ...wanted, from: {}, outputs: undefined });
