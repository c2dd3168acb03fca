import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { eventually } from '@flotilla/agent/fixtures/eventually';

/** A program that a person would sit before: what it says, and what is typed. */
export class Typed {
  readonly #child;
  readonly #exited: Promise<void>;
  #said = '';

  constructor(program: string, args: readonly string[], cwd: string) {
    this.#child = spawn(program, args, { cwd, stdio: 'pipe' });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#exited = new Promise((resolve) => this.#child.once('close', () => resolve()));
  }

  /** Without its colours. */
  get said(): string {
    return stripVTControlCharacters(this.#said);
  }

  says(wanted: RegExp): Promise<unknown> {
    return eventually(() => wanted.test(this.said)).catch(() => {
      throw new Error(`it did not say ${String(wanted)}, but: ${this.said.slice(-2000)}`);
    });
  }

  /** A line, and what is said upon it. */
  async types(line: string, wanted: RegExp): Promise<string> {
    this.#said = '';
    this.#child.stdin.write(`${line}\n`);
    await this.says(wanted);
    return this.said;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
