import { backoffMs } from '../../../core/backoff.js';
import { isErrno, messageOf } from '../../../errors.js';
import type { OpenOutput, Output, OutputParts, OutputStatus } from '../output.js';
import { ModbusServer } from './server.js';
import { SlotBlock } from './slot-block.js';
import { Units } from './units.js';

type Parts = OutputParts<'modbus'>;
const restarts = { baseMs: 1000, capMs: 30_000 };
/** PLCs ask at least each few seconds; who asks nothing for so long is gone. */
const idleMs = 60_000;

/** Slots as registers of a Modbus TCP server. It shows the newest: what nobody reads is not kept. */
class ModbusOutput implements Output {
  readonly #units: Units;
  #server: ModbusServer | undefined;
  #again: NodeJS.Timeout | undefined;
  #attempts = 0;
  #failure: string | undefined;
  #closed = false;
  #opening: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: Parts,
    gatewayStart = Math.round(performance.timeOrigin),
  ) {
    this.#units = new Units(parts.slots.map(({ port, settings }) => new SlotBlock(port, settings, gatewayStart)));
  }

  get status(): OutputStatus {
    if (this.#server) return { state: 'running', clients: this.#server.clients };
    return this.#failure === undefined ? { state: 'starting' } : { state: 'failed', reason: this.#failure };
  }

  start(): void {
    this.#opening = this.#open();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#opening;
    await this.#server?.close();
  }

  async #open(): Promise<void> {
    const { settings, log } = this.parts;
    const { host, port, maxClients } = settings;
    const answer = this.#units.answer.bind(this.#units);
    const server = new ModbusServer({ host, port, maxClients, idleMs, answer });
    try {
      await server.listen();
      this.#server = server;
      this.#attempts = 0;
      log.info({ output: 'modbus', host, port }, 'Modbus TCP is served');
    } catch (error) {
      this.#failed(`${refusal(error, settings)}; it is tried again`);
    }
  }

  #failed(reason: string): void {
    if (reason !== this.#failure) this.parts.log.error({ output: 'modbus', reason }, 'Modbus TCP can not be served');
    this.#failure = reason;
    if (this.#closed) return;
    this.#again = setTimeout(() => this.start(), backoffMs(++this.#attempts, restarts, Math.random()));
  }
}

function refusal(error: unknown, { host, port }: Parts['settings']): string {
  if (isErrno(error, 'EADDRINUSE')) return `another program has ${host}:${port}: give modbus another port, such as port: 1502`;
  if (isErrno(error, 'EACCES'))
    return `the port ${port} is below 1024: give the agent the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or modbus another port, such as port: 1502`;
  if (isErrno(error, 'EADDRNOTAVAIL', 'ENOTFOUND')) return `this device has no address ${host}`;
  return `it can not listen on ${host}:${port}: ${messageOf(error)}`;
}

export const openModbus: OpenOutput<'modbus'> = (parts) => new ModbusOutput(parts);
