import type { OutputSlot } from '../output.js';
import type { Written } from './command.js';
import type { DeviceSession } from './device-session.js';
import type { EdgeNode } from './edge-node.js';
import { SlotFeed } from './slot-feed.js';

type Slot = OutputSlot<'sparkplug'>;
type Device = { session: DeviceSession; feed: SlotFeed };

/** The slots that are devices of the edge node. */
export class Devices {
  readonly #devices = new Map<string, Device>();

  constructor(private readonly node: EdgeNode) {}

  /** These from now on: who goes is said to be dead, who comes is born, and nobody else is disturbed. Throws where two have one name. */
  serve(slots: readonly Slot[]): void {
    const wanted = idsOf(slots);
    for (const [id, { feed, session }] of this.#devices) {
      if (wanted.get(id)?.port === feed.port) continue;
      feed.close();
      this.node.remove(session);
      this.#devices.delete(id);
    }
    for (const [id, slot] of wanted) if (!this.#devices.has(id)) this.#add(id, slot);
  }

  tick(): void {
    for (const { feed } of this.#devices.values()) feed.tick();
  }

  /** Of the topic of one of them; what any other says is passed over. */
  command(topic: string, written: readonly Written[]): void {
    const device = [...this.#devices].find(([id]) => this.node.session.topic('DCMD', id) === topic)?.[1];
    if (!device) return;
    for (const { name, alias, value } of written) {
      const named = name ?? (alias === undefined ? undefined : device.session.nameOf(alias));
      if (named !== undefined) device.feed.command(named, value);
    }
  }

  close(): void {
    for (const { feed } of this.#devices.values()) feed.close();
  }

  #add(id: string, { port }: Slot): void {
    const feed = new SlotFeed(port);
    const session: DeviceSession = this.node.add(
      id,
      feed.begin((metrics, result) => this.node.take(session, metrics, result)),
    );
    this.#devices.set(id, { session, feed });
  }
}

/** Hosts tell them apart by their names, whatever the case. Throws where two are the same. */
function idsOf(slots: readonly Slot[]): Map<string, Slot> {
  const ids = new Map<string, Slot>();
  for (const slot of slots) {
    const id = slot.settings.device ?? slot.port.slot;
    const same = [...ids.keys()].find((other) => other.toLowerCase() === id.toLowerCase());
    if (same !== undefined)
      throw new Error(
        `the slots "${ids.get(same)!.port.slot}" and "${slot.port.slot}" would both be the Sparkplug device "${id}": give one of them another "device"`,
      );
    ids.set(id, slot);
  }
  return ids;
}
