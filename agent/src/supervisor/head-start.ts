import { SlotName } from '@flotilla/protocol/device';
import { join } from 'node:path';
import { Journal } from './journal.js';
import { RunnerProcess, type RunnerProgram } from './runner-process.js';
import { type SlotAddresses, SlotSockets } from './slot-sockets.js';

type HeadStartOptions = {
  dataDir: string;
  slots: Readonly<Record<string, { listen?: SlotAddresses | undefined }>>;
  program: RunnerProgram;
  /** Not where it is unknown which engine they would need. */
  beginRunners?: boolean;
};

/**
 * What can begin before the rest of the supervisor is even loaded. Sockets are bound, so that a busy port is said at once; and where
 * a release was committed, its runner starts: it takes as long to load its own modules as the supervisor does, beside it.
 */
export class HeadStart {
  readonly #sockets = new Map<SlotName, SlotSockets>();
  readonly #runners = new Map<SlotName, RunnerProcess>();

  /** Throws, with nothing left behind, when an address can't be had. */
  static async of({ dataDir, slots, program, beginRunners = true }: HeadStartOptions): Promise<HeadStart> {
    const begun = new HeadStart();
    try {
      for (const [key, { listen }] of Object.entries(slots)) {
        const name = SlotName.parse(key);
        if (listen) begun.#sockets.set(name, await SlotSockets.bind(name, listen));
        if (beginRunners && Journal.hasLastGood(journalFolder(dataDir), name)) begun.#begin(name, program);
      }
    } catch (error) {
      begun.close();
      throw error;
    }
    return begun;
  }

  sockets(slot: SlotName): SlotSockets | undefined {
    return this.#sockets.get(slot);
  }

  /** It is the caller's from now on. Undefined where none was begun, or it is gone already. */
  takeRunner(slot: SlotName): RunnerProcess | undefined {
    const runner = this.#runners.get(slot);
    this.#runners.delete(slot);
    return runner;
  }

  /** Those that nobody took. */
  endRunners(): void {
    for (const runner of this.#runners.values()) runner.end('crash', 'it was not needed');
  }

  close(): void {
    this.endRunners();
    for (const sockets of this.#sockets.values()) sockets.close();
  }

  #begin(slot: SlotName, program: RunnerProgram): void {
    const runner = new RunnerProcess(program, { sockets: this.#sockets.get(slot) });
    this.#runners.set(slot, runner);
    void runner.exited.then(() => this.#runners.delete(slot));
  }
}

export const journalFolder = (dataDir: string): string => join(dataDir, 'journal');
