import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { SlotName } from '@flotilla/protocol/device';
import { messageOf } from '../../errors.js';
import type { GatewaySlot } from '../../gateway-protocol.js';
import type { Logger } from '../../log.js';
import { keptAs, openOutput } from './open.js';
import type { Output, OutputKind, OutputStatus } from './output.js';
import { type Peer, peersOf } from './peers.js';
import type { SlotPort } from './slot-port.js';

type Parts = { port: (slot: SlotName) => SlotPort; log: Logger };
type Open = { peer: Peer; output: Output | undefined; failure?: string | undefined };
type Configuration = { slots: readonly GatewaySlot[]; device: string; dataDir: string };
export type OutputView = { kind: OutputKind; slots: SlotName[] } & OutputStatus;

/** All outputs of this device. What is unchanged is not disturbed. */
export class Outputs {
  #open: Open[] = [];

  constructor(private readonly parts: Parts) {}

  get views(): OutputView[] {
    return this.#open.map(({ peer, output, failure }) => ({
      kind: peer.kind,
      slots: peer.slots.map(({ slot }) => slot),
      ...(output?.status ?? { state: 'failed' as const, reason: failure }),
    }));
  }

  async configure(configuration: Configuration): Promise<void> {
    const wanted = peersOf(configuration.slots);
    for (const open of this.#open) this.#serveOthers(open, wanted);
    const leaving = this.#open.filter(({ peer }) => !wanted.some((its) => isDeepStrictEqual(its, peer)));
    // A port is free for its successor only when the old one has let go of it.
    await Promise.all(leaving.map(async ({ output }) => output?.stop('removed')));
    const staying = this.#open.filter((open) => !leaving.includes(open));
    const coming = wanted.filter((peer) => !staying.some((open) => isDeepStrictEqual(open.peer, peer)));
    this.#open = [...staying, ...(await Promise.all(coming.map((peer) => this.#begin(peer, configuration))))];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#open.map(async ({ output }) => output?.stop('shutdown')));
    this.#open = [];
  }

  /** Nobody who stays is disturbed by a slot that comes or goes, where the output can do that. */
  #serveOthers(open: Open, wanted: readonly Peer[]): void {
    const peer = wanted.find(({ key }) => key === open.peer.key);
    if (!peer || peer.conflict !== undefined || !open.output?.serve || isDeepStrictEqual(peer, open.peer)) return;
    try {
      open.output.serve(this.#slotsOf(peer));
      open.peer = peer;
    } catch {
      // It is begun anew, and says why that can't be.
    }
  }

  #slotsOf = ({ slots }: Peer) => slots.map(({ slot, settings }) => ({ port: this.parts.port(slot), settings }));

  async #begin(peer: Peer, { device, dataDir }: Configuration): Promise<Open> {
    const log = this.parts.log;
    try {
      if (peer.conflict !== undefined) throw new Error(peer.conflict);
      const output = await openOutput(peer.kind, {
        settings: peer.slots[0]!.settings,
        slots: this.#slotsOf(peer),
        device,
        folder: join(dataDir, 'outputs', folderOf(peer)),
        log,
      } as Parameters<typeof openOutput>[1]);
      output.start();
      return { peer, output };
    } catch (error) {
      log.error({ output: peer.kind, reason: messageOf(error) }, 'the output can not be opened');
      return { peer, output: undefined, failure: messageOf(error) };
    }
  }
}

/** The same peer finds what it kept, whatever else changes. */
const folderOf = ({ kind, key, slots }: Peer) =>
  `${kind}-${keptAs(kind, slots[0]!.settings) ?? createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
