import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { FrameReader, ProtocolFault, encodeHead, protocolVersion } from './frames.js';
import { FromEngine, Hello, type Progress, type ToEngine } from './messages.js';

export type EngineCommand = { name: string; command: readonly string[]; /** Its whole environment. */ env: NodeJS.ProcessEnv };
type Order<T = ToEngine> = T extends ToEngine ? Omit<T, 'id'> : never;
type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void };
type Answer = { message: Exclude<FromEngine, Progress>; payload: ArrayBuffer };
type Pending = {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** No engine outlives the process that started it, even one that does not notice the end of its socket. */
const living = new Set<ChildProcess>();
process.once('exit', () => living.forEach((child) => child.kill('SIGKILL')));

/** How long an engine's pipes may stay open after its end. */
const lastWordsMs = 500;

/** An engine as a child process that is asked over descriptor 3. What breaks the protocol is killed: it can't be trusted with the next answer. */
export class EngineChild {
  readonly pid: number | undefined;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #log: Log;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #lastLine = '';
  #fault: string | undefined;
  #leaving = false;
  #dead: Error | undefined;
  readonly #ended = Promise.withResolvers<void>();
  #onDeath: (error: Error) => void = () => undefined;

  constructor({ name, command, env }: EngineCommand, log: Log) {
    const [program = '', ...args] = command;
    this.#name = name;
    this.#log = log;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env });
    this.pid = this.#child.pid;
    this.#socket = this.#child.stdio[3] as Socket;
    living.add(this.#child);
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      createInterface({ input: stream }).on('line', (line) => this.#noise(line));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // Told by the end of the process, which follows; one that closes it and lives on has nothing more to say.
    this.#socket.on('error', () => undefined).once('end', () => void setTimeout(() => this.#leftAlone(), lastWordsMs).unref());
    this.#child.once('error', (error) => this.#gone(`could not be started: ${error.message}`));
    const ended = (code: number | null, signal: string | null) =>
      this.#gone(signal ? `ended by ${signal}` : `exited with ${code}`);
    // 'close' comes after its last line; where a process of its own keeps the pipes open, it would not come at all.
    this.#child.once('close', ended).once('exit', (code, signal) => void setTimeout(ended, lastWordsMs, code, signal).unref());
  }

  /** Told at once where it is gone already. */
  onDeath(listener: (error: Error) => void): void {
    this.#onDeath = listener;
    if (this.#dead) listener(this.#dead);
  }

  get asked(): number {
    return this.#pending.size;
  }

  /** Who it is. `probe`: with proof of its providers. Rejects when it is silent for too long, or speaks another version. */
  async hello(withinMs: number, probe = false): Promise<Hello> {
    const timer = setTimeout(() => this.kill(`it did not answer hello within ${withinMs / 1000} s`), withinMs);
    try {
      const { message } = await this.ask({ type: 'hello', protocol: protocolVersion, probe });
      if (message.type === 'failed') throw new Error(message.reason);
      const hello = Hello.parse(message);
      if (hello.protocol !== protocolVersion)
        throw new Error(`engine "${this.#name}" speaks protocol ${hello.protocol}, this side speaks ${protocolVersion}`);
      return hello;
    } finally {
      clearTimeout(timer);
    }
  }

  /** `payload`: the parts of it in order, padded as the order's tensors say; they are not copied and must not change. */
  ask(order: Order, payload: readonly Uint8Array[] = [], onProgress?: (progress: Progress) => void): Promise<Answer> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    const head = encodeHead(
      { ...order, id },
      payload.reduce((sum, part) => sum + part.byteLength, 0),
    );
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
      this.#socket.cork();
      for (const part of [head, ...payload]) if (part.byteLength > 0) this.#socket.write(part);
      this.#socket.uncork();
    });
  }

  /** Lets it end by itself, or helps. */
  async close(graceMs: number): Promise<void> {
    if (this.#dead) return;
    this.#leaving = true;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    this.ask({ type: 'close' }).catch(() => undefined);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  /** Safe at any time: it is a process of its own. */
  kill(why: string): void {
    this.#fault ??= why;
    this.#child.kill('SIGKILL');
  }

  #take(chunk: Buffer): void {
    if (this.#fault !== undefined) return;
    try {
      for (const { head, payload } of this.#reader.push(chunk)) this.#hear(head, payload);
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      this.kill(`it broke the protocol: ${error.message}`);
    }
  }

  #hear(head: unknown, payload: ArrayBuffer): void {
    const parsed = FromEngine.safeParse(head);
    if (!parsed.success)
      throw new ProtocolFault(`${JSON.stringify(head).slice(0, 200)}: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
    const message = parsed.data;
    if (message.type === 'fatal') return this.kill(`it gave up: ${message.reason}`);
    const pending = this.#pending.get(message.id);
    if (!pending) throw new ProtocolFault(`"${message.type}" answers ${message.id}, which was not asked`);
    if (message.type === 'progress') return pending.onProgress?.(message);
    this.#pending.delete(message.id);
    pending.resolve({ message, payload });
  }

  #leftAlone(): void {
    if (!this.#dead && !this.#leaving) this.kill('it closed its socket');
  }

  #noise(coloured: string): void {
    const line = stripVTControlCharacters(coloured).trim();
    if (line === '') return;
    this.#lastLine = line.slice(0, 500);
    this.#log.info({ engine: this.#name }, `engine: ${line.slice(0, 2000)}`);
  }

  #gone(how: string): void {
    if (this.#dead) return;
    living.delete(this.#child);
    const words = this.#lastLine && `; its last words: ${this.#lastLine}`;
    const error = new Error(`engine "${this.#name}" ${this.#fault === undefined ? how : `was ended: ${this.#fault}`}${words}`);
    this.#dead = error;
    this.#socket?.destroy();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#ended.resolve();
    if (!this.#leaving) this.#onDeath(error);
  }
}
