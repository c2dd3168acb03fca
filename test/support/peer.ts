import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonProgram } from './required.js';

const folder = new URL('../peers/', import.meta.url);

/** A program of test/peers in Python, which says what it sees as lines of JSON. */
export class Peer {
  readonly #child;
  readonly #lines;
  readonly #exited: Promise<number | null>;
  #stderr = '';

  constructor(script: string, ...args: (string | number)[]) {
    this.#child = spawn(pythonProgram, [fileURLToPath(new URL(script, folder)), ...args.map(String)], { stdio: 'pipe' });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => this.#child.once('close', resolve));
  }

  /** The next line. Throws with what it complained of, where it ended instead. */
  async next<T = unknown>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the peer ended with ${String(await this.#exited)}: ${this.#stderr.slice(-2000)}`);
    return JSON.parse(value) as T;
  }

  /** A line to its standard input. */
  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
