import type { Credentials } from '../credentials.js';
import { RunnerProcess, type RunnerProgram } from './runner-process.js';
import type { SlotSockets } from './slot-sockets.js';

/** Requests that a stub still answers when a runner takes over. */
const graceMs = 500;

/** One slot's stub: while no runner can serve, clients are told so on the slot's sockets, within a second. */
export class Stub {
  #process: RunnerProcess | undefined;
  #later: NodeJS.Timeout | undefined;

  /** Without a socket there is nobody to tell. */
  constructor(
    private readonly program: RunnerProgram,
    private readonly sockets: SlotSockets | undefined,
  ) {}

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

  /** Where it is still needed then; one that stands in already goes on with its own reason. */
  beginLater(afterMs: number, isNeeded: () => boolean, ...words: Parameters<Stub['begin']>): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => {
      if (isNeeded() && !this.#process) this.begin(...words);
    }, afterMs);
  }

  async end(): Promise<void> {
    clearTimeout(this.#later);
    const stub = this.#process;
    this.#process = undefined;
    await stub?.drain(graceMs);
  }
}
