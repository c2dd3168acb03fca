import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import type { ISessionContext } from 'node-opcua-address-space';
import type { OPCUAServer } from 'node-opcua-server';
import { backoffMs } from '../../../core/backoff.js';
import { isErrno, messageOf } from '../../../errors.js';
import type { OpenOutput, Output, OutputParts, OutputStatus } from '../output.js';
import { addressIn } from './address.js';
import { Certificates } from './certificates.js';
import { Seldom } from './seldom.js';
import { opcuaServer } from './server.js';
import { SlotObject } from './slot-object.js';
import { Users } from './users.js';

type Parts = OutputParts<'opcua'>;
const restarts = { baseMs: 1000, capMs: 30_000 };
/** Sessions are told that it ends; who does not listen is not waited for. */
const goodbyeMs = 200;
const endMs = 1500;

/** Slots as objects of an OPC UA server. It shows the newest, keeps an hour of it, and tells of each change of a class. */
export class OpcUaServer implements Output {
  #server: OPCUAServer | undefined;
  #slots: SlotObject[] = [];
  #certificates: Certificates | undefined;
  #failure: string | undefined;
  #again: NodeJS.Timeout | undefined;
  #attempts = 0;
  #closed = false;
  readonly #refused = new Seldom();
  #opening: Promise<void> = Promise.resolve();

  constructor(
    private readonly parts: Parts,
    private readonly startedAt = Math.round(performance.timeOrigin),
  ) {}

  get status(): OutputStatus {
    if (this.#server) return { state: 'running', clients: this.#server.engine.currentSessionCount };
    return this.#failure === undefined ? { state: 'starting' } : { state: 'failed', reason: this.#failure };
  }

  start(): void {
    this.#opening = this.#open();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#opening;
    await this.#close();
  }

  async #open(): Promise<void> {
    const { settings, log } = this.parts;
    try {
      await tryPort(settings);
      this.#server = await this.#begin();
      this.#failure = undefined;
      this.#attempts = 0;
      log.info({ output: 'opcua', url: this.#server.getEndpointUrl(), folder: this.parts.folder }, 'OPC UA is served');
    } catch (error) {
      await this.#close();
      this.#failed(`${refusal(error, settings)}; it is tried again`);
    }
  }

  async #begin(): Promise<OPCUAServer> {
    const { settings, slots, device, folder, log } = this.parts;
    const users = new Users(settings.users, log);
    await users.check();
    const certificates = await Certificates.open(folder, settings.clientCertificateFiles, log);
    this.#certificates = certificates;
    const server = await opcuaServer({ settings, device, certificates, users });
    server.on('connectionRefused', ({ remoteAddress }) =>
      this.#refused.tell((others) =>
        log.warn({ output: 'opcua', from: remoteAddress, others }, 'a client was refused: too many are connected'),
      ),
    );
    try {
      const address = addressIn(server.engine.addressSpace!, { device, startedAt: this.startedAt });
      const may = (context: ISessionContext) => settings.anonymous === 'trigger' || isNamed(context);
      this.#slots = slots.map((slot) => new SlotObject(address, { ...slot, may }));
      await server.start();
      return server;
    } catch (error) {
      await server.shutdown(0).catch(() => undefined);
      throw error;
    }
  }

  async #close(): Promise<void> {
    for (const slot of this.#slots.splice(0)) slot.close();
    const server = this.#server;
    this.#server = undefined;
    const ended = server?.shutdown(goodbyeMs).catch((error: unknown) => {
      this.parts.log.warn({ output: 'opcua', reason: messageOf(error) }, 'the OPC UA server did not end well');
    });
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, endMs).unref())]);
    await this.#certificates?.dispose();
    this.#certificates = undefined;
  }

  #failed(reason: string): void {
    if (reason !== this.#failure) this.parts.log.error({ output: 'opcua', reason }, 'OPC UA can not be served');
    this.#failure = reason;
    if (this.#closed) return;
    this.#again = setTimeout(() => this.start(), backoffMs(++this.#attempts, restarts, Math.random()));
  }
}

const isNamed = (context: ISessionContext): boolean => context.getUserName() !== 'anonymous';

/** Before the library is asked: it takes a second and much memory until it finds that it can't listen. */
function tryPort({ host, port }: Parts['settings']): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer();
  server.once('error', reject);
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  return promise;
}

function refusal(error: unknown, { host, port }: Parts['settings']): string {
  if (isErrno(error, 'EADDRINUSE')) return `another program has ${host}:${port}: give opcua another port, such as port: 4841`;
  if (isErrno(error, 'EACCES'))
    return `the port ${port} is below 1024: give the agent the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or opcua another port, such as port: 4840`;
  if (isErrno(error, 'EADDRNOTAVAIL', 'ENOTFOUND')) return `this device has no address ${host}`;
  return messageOf(error);
}

export const openOpcUa: OpenOutput<'opcua'> = (parts) => {
  // The library keeps 60 MB. Where the heap may grow by a tenth only (gateway/main.ts asks for that) they would be marked twice a second.
  setFlagsFromString('--no-optimize-for-size');
  return new OpcUaServer(parts);
};
