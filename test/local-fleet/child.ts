import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

type ChildOptions = {
  name: string;
  /** Script and arguments for this Node. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** What it prints goes here. */
  logFile: string;
  /** Called for each message that the process sends over IPC. */
  onMessage?: (message: unknown) => void;
  onRestart?: (exit: string) => void;
};

const stopMs = 8_000;

/**
 * A program of the local fleet, restarted when it dies, as systemd would. Its stdin is a pipe from this process: when this process
 * is killed the pipe ends and the program stops by itself, so nothing is left behind.
 */
export class Child {
  #process: ChildProcess | undefined;
  readonly #ending = new AbortController();
  #log: WriteStream;
  #lastWords = '';
  #life: Promise<void> = Promise.resolve();

  constructor(private readonly options: ChildOptions) {
    this.#log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it; resolves when `ready` does, rejects with the program's own last line when it dies before. */
  async start(ready: () => Promise<void>): Promise<void> {
    let isReady = false;
    const died = this.#spawn();
    await Promise.race([
      ready().then(() => (isReady = true)),
      died.then((exit) =>
        Promise.reject(
          new Error(`${this.options.name} did not start (${exit}): ${this.#lastWords || `see ${this.options.logFile}`}`),
        ),
      ),
    ]);
    if (isReady) this.#life = this.#keepAlive(died);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.stdin?.end();
      child.kill('SIGTERM');
      const late = await Promise.race([gone.then(() => false), delay(stopMs, true, { ref: false })]);
      if (late) child.kill('SIGKILL');
      await gone;
    }
    await this.#life;
    this.#log.end();
  }

  async #keepAlive(died: Promise<string>): Promise<void> {
    const { signal } = this.#ending;
    for (let exit = await died; !signal.aborted; exit = await died) {
      this.options.onRestart?.(exit);
      await delay(500, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      died = this.#spawn();
    }
  }

  /** Resolves with how it ended. */
  #spawn(): Promise<string> {
    const child = spawn(process.execPath, this.options.args, { env: this.options.env, stdio: ['pipe', 'pipe', 'pipe', 'ipc'] });
    this.#process = child;
    child.stdin?.on('error', () => undefined); // it may die before we close the pipe
    child.stdout?.on('data', (chunk: Buffer) => this.#log.write(chunk));
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log.write(chunk);
      this.#lastWords = chunk.toString().trim().split('\n').at(-1) ?? this.#lastWords;
    });
    if (this.options.onMessage) child.on('message', this.options.onMessage);
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `exit ${code}`));
    });
  }
}
