import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

type Answer = { id: number; value?: unknown; error?: string };

/** A part of a bench in a process of its own, asked over its channel; it ends with its parent. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 0;

  constructor(program: URL, args: readonly string[] = []) {
    this.#process = fork(program, args, {
      // ONNX Runtime reports to nobody in a runner, either.
      env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.pid = this.#process.pid!;
    this.#process.on('message', (answer: Answer) => this.#settle(answer));
    this.#process.once('exit', (code, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`${program.pathname} ended with ${signal ?? code}`));
      this.#pending.clear();
    });
  }

  async ask<T>(question: object): Promise<T> {
    const id = this.#next++;
    if (!this.#process.connected) throw new Error(`process ${this.pid} is gone`);
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#process.send({ id, question });
    return (await pending.promise) as T;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  #settle({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(error));
  }
}

/** The child's side: answers each question, one process per role. */
export function answerParent<Q extends object>(answer: (question: Q) => unknown): void {
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ id, question }: { id: number; question: Q }) => {
    const reply = (message: Answer) => process.send?.(message);
    void (async () => await answer(question))().then(
      (value) => reply({ id, value }),
      (error: unknown) => reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
}
