import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

export interface Line {
  /** One way, milliseconds. */
  readonly delayMs: number;
  readonly bytesPerS: number;
}

/** A network on the way to a broker or a database: it can be slow, cut for some, stand still, or be gone. What it carries stays as it is. */
export class Relay {
  readonly #server: Server;
  #target: URL;
  readonly #lines = new Set<Socket>();
  /** What is sent into these is gone, and nobody is told. */
  readonly #dead = new WeakSet<Socket>();
  #line: Line | undefined;
  #down = false;
  #still = false;
  readonly #ends = new Set<Socket>();

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((socket) => this.#carry(socket));
  }

  static async before(url: string): Promise<Relay> {
    const relay = new Relay(new URL(url));
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** The target's, by way of this. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = 'localhost';
    url.port = String((this.#server.address() as AddressInfo).port);
    url.search = '';
    return url.href;
  }

  slow(line: Line): void {
    this.#line = line;
  }

  /** Ends this share of the connections without a word. */
  cut(share: number, random: () => number): void {
    for (const socket of this.#lines) if (random() < share) socket.destroy();
  }

  /** This share of the connections stays open at both ends, and carries nothing any more: a NAT has forgotten them. */
  halfOpen(share: number, random: () => number): number {
    const chosen = [...this.#lines].filter((socket) => !this.#dead.has(socket) && random() < share);
    for (const socket of chosen) this.#dead.add(socket);
    return chosen.length;
  }

  /** Nothing is carried, of new connections neither, until it is again: what was sent meanwhile comes then. */
  setStill(still: boolean): void {
    this.#still = still;
    for (const socket of this.#ends) {
      if (still) socket.pause();
      else socket.resume();
    }
  }

  /** Where what comes from now on goes to: the other replica, say. */
  turnTo(url: string): void {
    this.#target = new URL(url);
  }

  setDown(down: boolean): void {
    this.#down = down;
    if (down) for (const socket of this.#lines) socket.destroy();
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#lines) socket.destroy();
  }

  #carry(device: Socket): void {
    if (this.#down) return void device.destroy();
    const broker = dial(this.#target);
    this.#lines.add(device);
    for (const [from, to] of [
      [device, broker],
      [broker, device],
    ] as const) {
      this.#ends.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#ends.delete(from);
        if (!this.#dead.has(device)) to.destroy();
        this.#lines.delete(device);
      });
      this.#pass(from, to, device);
    }
  }

  #pass(from: Socket, to: Socket, device: Socket): void {
    let freeAt = 0;
    from.on('data', (chunk: Buffer) => {
      if (this.#dead.has(device)) return;
      if (!this.#line) return void to.write(chunk);
      const now = performance.now();
      freeAt = Math.max(now, freeAt) + (1000 * chunk.length) / this.#line.bytesPerS;
      setTimeout(() => to.write(chunk), freeAt - now + this.#line.delayMs);
    });
    from.on('end', () => void (this.#dead.has(device) || to.end()));
    if (this.#still) from.pause();
  }
}

/** A database's URL may name a folder: its socket lies there. */
function dial({ hostname, port, searchParams }: URL): Socket {
  const folder = searchParams.get('host');
  return folder === null ? connect(Number(port), hostname) : connect(join(folder, `.s.PGSQL.${port}`));
}
