import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Line {
  /** One way, milliseconds. */
  readonly delayMs: number;
  readonly bytesPerS: number;
}

/** The network between devices and broker: it can be slow, cut for some, or gone. What it carries stays as it is. */
export class Relay {
  readonly #server: Server;
  #target: URL;
  readonly #lines = new Set<Socket>();
  /** What is sent into these is gone, and nobody is told. */
  readonly #dead = new WeakSet<Socket>();
  #line: Line | undefined;
  #down = false;

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

  get url(): string {
    return `mqtts://localhost:${(this.#server.address() as AddressInfo).port}`;
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
    const broker = connect(Number(this.#target.port), this.#target.hostname);
    this.#lines.add(device);
    for (const [from, to] of [
      [device, broker],
      [broker, device],
    ] as const) {
      from.on('error', () => undefined);
      from.on('close', () => {
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
  }
}
