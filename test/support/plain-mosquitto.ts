import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isListening } from './broker.js';
import { until } from './until.js';

/** A Mosquitto of a factory, with no more configuration than it is given. */
export class PlainMosquitto {
  #process: ChildProcess | undefined;

  constructor(
    private readonly folder: string,
    readonly port: number,
    private readonly lines: readonly string[] = ['allow_anonymous true'],
  ) {}

  async start(): Promise<void> {
    const path = join(this.folder, 'mosquitto.conf');
    // Started as root it would change to a user that can't write into the folder.
    const user = process.getuid?.() === 0 ? ['user root'] : [];
    // Sessions outlive a restart, as a factory's broker keeps them.
    const kept = ['persistence true', `persistence_location ${this.folder}/`];
    await writeFile(path, [`listener ${this.port} 127.0.0.1`, ...user, ...kept, ...this.lines, ''].join('\n'));
    this.#process = spawn('mosquitto', ['-c', path], { stdio: 'ignore' });
    await until(() => isListening(this.port), `mosquitto listens on ${this.port}`);
  }

  /** Stood still, it keeps its connections and answers nobody. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    this.#process?.kill(signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
}
