import { pino } from 'pino';
import { z } from 'zod';
import { type FromRunner, ToRunner } from '../runner-protocol.js';
import type { Engine } from './engine/engine.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { watchRuns } from './run-watch.js';
import { Runner } from './runner.js';

type ProgramOptions = { engine: (parts: EngineParts) => Engine; logLevel: string | undefined };
/** What an engine outside of this process tells through. */
type EngineParts = {
  log: Logger;
  onProgress: (progress: Omit<Extract<FromRunner, { type: 'progress' }>, 'type'>) => void;
};

const Level = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']);

/** Puts a runner together and connects it to its parent's channel. */
export function startProgram({ engine: begin, logLevel }: ProgramOptions): void {
  const level = Level.catch('info').parse(logLevel);
  // Synchronous: the last line before the end is the one that is wanted.
  const log = pino({ name: 'runner', level, base: { pid: process.pid } }, pino.destination({ fd: 1, sync: true }));
  let sent = Promise.resolve();
  let isEnding = false;
  const engine = begin({ log, onProgress: (progress) => send({ type: 'progress', ...progress }) });
  engine.onDeath((error) => crash(error, 'the engine died'));
  const leave = (code: number) => void sent.then(() => end(code));
  const runner = new Runner({ engine, log, send, leave });

  watchRuns(engine, send);

  process.on('uncaughtException', (error) => crash(error, 'a bug'));
  process.on('message', (message) => {
    if (isEnding) return;
    const order = ToRunner.safeParse(message);
    if (!order.success) return crash(new Error(`not an order: ${z.prettifyError(order.error)}`), 'the supervisor is at fault');
    runner.take(order.data).catch((error: unknown) => crash(error, 'an order could not be followed'));
  });
  process.on('disconnect', () => end(0));
  // The parent is gone, perhaps since before anyone listened: nobody would ever end this process.
  if (!process.connected) end(0);

  function send(message: FromRunner): void {
    sent = new Promise((resolve) => {
      if (process.connected) process.send!(message, undefined, undefined, () => resolve());
      else resolve();
    });
  }

  function crash(error: unknown, what: string): void {
    log.fatal({ reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, what);
    end(1);
  }

  /** A thread inside ONNX Runtime can't be stopped: an orderly exit would abort the process and leave a core dump instead. */
  function end(code: number): void {
    engine.abandon?.();
    if (engine.abandon) process.exit(code);
    if (engine.stats().inFlight === 0) {
      isEnding = true;
      return void Promise.resolve(engine.begun).then(() => process.exit(code));
    }
    log.warn({ code }, 'ended while still computing');
    process.kill(process.pid, 'SIGKILL');
  }
}
