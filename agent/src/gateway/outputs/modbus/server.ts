import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../../errors.js';
import { FrameReader, frameOf } from './frames.js';

type ServerOptions = {
  host: string;
  port: number;
  maxClients: number;
  /** Of a client that asks nothing, milliseconds. */
  idleMs: number;
  /** The answer's PDU. */
  answer: (unit: number, pdu: Buffer) => Buffer;
};

/** A Modbus TCP server over one map. A client that sends garbage, reads nothing or is gone costs no more than its connection. */
export class ModbusServer {
  readonly #server: Server;
  /** In the order in which they were last heard from. */
  readonly #clients = new Set<Socket>();

  constructor(private readonly options: ServerOptions) {
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 }, (socket) =>
      this.#admit(socket),
    );
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Rejects with the system's error. */
  listen(): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 64 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#clients) socket.destroy();
    await closed;
  }

  #admit(socket: Socket): void {
    const { maxClients, idleMs } = this.options;
    const [quietest] = this.#clients;
    if (this.#clients.size >= maxClients) quietest?.destroy();
    this.#clients.add(socket);
    const reader = new FrameReader();
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#clients.delete(socket));
    socket.on('data', (bytes) => this.#hear(socket, reader, bytes));
    socket.on('drain', () => socket.resume());
  }

  #hear(socket: Socket, reader: FrameReader, bytes: Buffer): void {
    this.#clients.delete(socket);
    this.#clients.add(socket);
    try {
      const answers = [...reader.take(bytes)].map((request) => frameOf(request, this.options.answer(request.unit, request.pdu)));
      // Who does not read its answers is not asked for more questions.
      if (answers.length > 0 && !socket.write(Buffer.concat(answers))) socket.pause();
    } catch (error) {
      socket.destroy(new Error(messageOf(error)));
    }
  }
}
