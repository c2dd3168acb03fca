import type { SlotName } from '@flotilla/protocol/device';
import type { Listen } from '../runner-protocol.js';
import { type Address, bindSocket, type ListeningSocket } from './listening-socket.js';
import { bindUnixSocket } from './unix-socket.js';

/** Where a slot listens; nowhere, where nothing is named. */
export type SlotAddresses = { http?: Address | undefined; grpc?: Address | undefined; unix?: string | undefined };

/** A child has its standard streams and its channel before them. The order is that of `descriptors`. */
const inChild = { http: 4, grpc: 5, unix: 6 } as const;
type Kind = keyof typeof inChild;

/** The sockets of one slot, bound here and handed to each child that is to listen on them. */
export class SlotSockets {
  readonly #bound: Partial<Record<Kind, ListeningSocket>> = {};
  #asked: SlotAddresses = {};

  /** Throws, with nothing left behind, when an address can't be had. */
  static async bind(slot: SlotName, { http, grpc, unix }: SlotAddresses): Promise<SlotSockets> {
    const sockets = new SlotSockets();
    sockets.#asked = { http, grpc };
    try {
      if (http) sockets.#bound.http = await bindSocket(`slot "${slot}"`, http);
      if (grpc) sockets.#bound.grpc = await bindSocket(`slot "${slot}"`, grpc);
      if (unix !== undefined) sockets.#bound.unix = await bindUnixSocket(slot, unix);
      return sockets;
    } catch (error) {
      sockets.close();
      throw error;
    }
  }

  /** Without one there is nobody to speak to. */
  get any(): boolean {
    return Object.keys(this.#bound).length > 0;
  }

  port(kind: 'http' | 'grpc'): number | undefined {
    return this.#bound[kind]?.port;
  }

  /** Where it is bound, with the port that a free one became. */
  address(kind: 'http' | 'grpc'): Address | undefined {
    const [bound, asked] = [this.#bound[kind], this.#asked[kind]];
    return asked && bound?.port !== undefined ? { host: asked.host, port: bound.port } : undefined;
  }

  /** For a child's `stdio`, after its channel. */
  get descriptors(): (number | 'ignore')[] {
    return [this.#bound.http, this.#bound.grpc, this.#bound.unix].map((socket) => socket?.fd ?? 'ignore');
  }

  /** What a child is told of them. */
  get listen(): Listen {
    const kinds = Object.keys(this.#bound) as Kind[];
    return Object.fromEntries(kinds.map((kind) => [kind, inChild[kind]]));
  }

  close(): void {
    for (const socket of Object.values(this.#bound)) socket.close();
  }
}
