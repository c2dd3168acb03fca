import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import './small-heap.js';
import type { ControlPlane } from './control-plane.js';
import type { Logger } from './platform/logger.js';

const neededNode = 24;
/** After sysexits.h: 64 and 78 say that command line or configuration is wrong, and that starting again will not help. */
const exits = { failed: 1, interrupted: 130, usage: 64, configuration: 78 } as const;
const stopWithinMs = 10_000;

function end(code: number, message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

if (Number(process.versions.node.split('.')[0]) < neededNode)
  end(
    exits.failed,
    `Flotilla needs Node.js ${neededNode} or newer, and this is ${process.version}: start it by npm or npx, which bring their own`,
  );

// Loaded only now: an older Node.js fails on them with a stack instead of that sentence.
const { ConfigError, loadConfig } = await import('./load-config.js');
const { createLogger } = await import('./platform/logger.js');
const { startControlPlane } = await import('./control-plane.js');

const usage = `The control plane. Settings: flotilla.yaml here, or the file that FLOTILLA_CONFIG names, and FLOTILLA_* (docs/settings.md).
  --exit-with-parent  end when the process that started it does: its stdin closes, or its IPC channel
  --ready-fd N        write one line of JSON to this file descriptor when everything is up
  --help              this text`;

function readOptions() {
  try {
    return parseArgs({
      options: {
        'exit-with-parent': { type: 'boolean', default: false },
        'ready-fd': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return end(exits.usage, `${(error as Error).message}\n${usage}`);
  }
}
const options = readOptions();
if (options.help) {
  console.log(usage);
  process.exit(0);
}

let log: Logger | undefined;
let starting: Promise<ControlPlane> | undefined;
let ending = false;

async function stop(reason: string): Promise<void> {
  if (ending) process.exit(exits.interrupted);
  ending = true;
  log?.info(`stopping: ${reason}`);
  setTimeout(() => end(exits.failed, `could not stop within ${stopWithinMs / 1000} s`), stopWithinMs).unref();
  // What is half started is stopped too: it ends by its own, or is stopped here.
  const running = await starting?.catch(() => undefined);
  await running?.stop();
  process.exit(0);
}

function listenForTheEnd(): void {
  process.once('SIGINT', () => void stop('interrupted'));
  process.once('SIGTERM', () => void stop('terminated'));
  if (!options['exit-with-parent']) return;
  const parentGone = () => void (ending || stop('the parent process ended'));
  if (process.connected) process.once('disconnect', parentGone);
  else process.stdin.on('end', parentGone).on('error', parentGone).resume();
}

function announce({ urls, adminTokenFile }: ControlPlane): void {
  log?.info({ ...urls, adminTokenFile }, `ready ${urls.http}`);
  const message = { type: 'ready', ...urls, adminTokenFile };
  process.send?.(message);
  const fd = options['ready-fd'];
  if (fd !== undefined) writeSync(Number(fd), `${JSON.stringify(message)}\n`);
}

/** Known failures are one sentence; a bug shows its stack. */
const inWords = (error: unknown) =>
  error instanceof Error && !(error instanceof TypeError || error instanceof ReferenceError)
    ? error.message
    : String((error as Error).stack ?? error);

try {
  const config = loadConfig(process.env);
  log = createLogger(config.logLevel);
  listenForTheEnd();
  starting = startControlPlane(config, { log, runtimeDir: process.env['XDG_RUNTIME_DIR'] });
  announce(await starting);
} catch (error) {
  end(error instanceof ConfigError ? exits.configuration : exits.failed, inWords(error));
}
