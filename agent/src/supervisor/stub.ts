import type { Credentials } from '../runner-protocol.js';
import { RunnerProcess, type RunnerProgram } from './runner-process.js';
import type { SlotSockets } from './slot-sockets.js';

/** Requests that a stub still answers when a runner takes over. */
const graceMs = 500;

/** One slot's stub: while no runner can serve, clients are told so on the slot's sockets, within a second. */
export class Stub {
  #process: RunnerProcess | undefined;

  /** Without a socket there is nobody to tell. */
  constructor(
    private readonly program: RunnerProgram,
    private readonly sockets: SlotSockets | undefined,
  ) {}

  get standsIn(): boolean {
    return this.#process !== undefined;
  }

  /** The reason of one that stands in already is replaced. */
  begin(reason: string, credentials?: Credentials): void {
    void this.end();
    if (!this.sockets?.any) return;
    const stub = new RunnerProcess({ ...this.program, path: this.program.stubPath }, { sockets: this.sockets });
    this.#process = stub;
    stub.send({ type: 'refuse', reason, listen: this.sockets.listen, credentials });
    void stub.exited.then(() => {
      if (this.#process === stub) this.#process = undefined;
    });
  }

  async end(): Promise<void> {
    const stub = this.#process;
    this.#process = undefined;
    await stub?.drain(graceMs);
  }
}
