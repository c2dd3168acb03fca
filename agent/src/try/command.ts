import { StartError } from '../supervisor/start-error.js';
import type { RunnerProgram } from '../supervisor/runner-process.js';
import { tryExample } from './try.js';

/** As the command line has them. */
export type WrittenTryOptions = { source?: string; port: string; once?: boolean; json?: boolean };
type Paths = Pick<RunnerProgram, 'path' | 'stubPath'> & { gatewayPath: string };

/** Ends by itself, or with Ctrl-C; results go to standard output, everything else to standard error. */
export async function tryCommand(name: string, written: WrittenTryOptions, paths: Paths, env: NodeJS.ProcessEnv): Promise<void> {
  const { gatewayPath, path, stubPath } = paths;
  const options = { ...written, port: portOf(written.port) };
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ending.abort());
  // Nobody reads any more, such as after `| head`.
  process.stdout.on('error', () => ending.abort());
  const note = (line: string) => void process.stderr.write(`${line}\n`);
  await tryExample(name, {
    options,
    programs: { runner: { path, stubPath, env: { ...env, FLOTILLA_LOG_LEVEL: 'warn' }, log: troubles(note) }, gatewayPath },
    signal: ending.signal,
    print: (line) => void process.stdout.write(`${line}\n`),
    note,
  });
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new StartError('config', `--port ${text} is no port: give a number up to 65535, or 0 for any that is free.`);
}

/** What runner and gateway write of their own accord is for a log; here only what went wrong is shown. */
const troubles = (note: (line: string) => void) => {
  const say = (_fields: object, message: string) => note(message);
  return { debug: () => {}, info: () => {}, warn: say, error: say };
};
