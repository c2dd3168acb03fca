import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { clearDataFolder } from '@flotilla/control-plane/platform/clear-data-folder';
import { localDevices } from './devices.js';
import { devicesFolder, Fleet } from './fleet.js';
import { parseOptions, usage, type Options } from './options.js';
import { progressFor, type Progress } from './progress.js';
import { ActFailed, Story } from './story.js';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Flotilla needs Node 24 or newer, this is ${process.version}; start it with \`npm start\`, which brings its own.`,
  );
  process.exit(78);
}
process.exitCode = await main();

async function main(): Promise<number> {
  const options = optionsOrSentence();
  if (options === undefined) return 64;
  if (options === 'help') return (console.log(usage), 0);
  const progress = progressFor(process.stdout);
  const fleet = new Fleet({ ...options, devices: localDevices(options.ports.agents) }, progress);
  const interrupted = untilInterrupted();
  try {
    if (options.fresh) await removeData(options.dataDir);
    return await Promise.race([run(fleet, options, progress), interrupted.then(() => 130)]);
  } catch (error) {
    progress.settle();
    console.error(error instanceof Error ? error.message : error);
    return error instanceof ActFailed ? error.code : 1;
  } finally {
    progress.settle();
    await fleet.stop();
  }
}

async function run(fleet: Fleet, { once, stay, dataDir, ports }: Options, progress: Progress): Promise<number> {
  await fleet.start();
  const story = new Story(fleet.client, progress);
  if (stay) await story.begin();
  else if (once || !(await story.wasTold())) await story.tell();
  progress.line(
    stay ? 'every device runs 1.0.0; 1.2.0 is there for a rollout' : 'the story is told; every act went as it should',
  );
  if (once) return 0;
  progress.line(whereToLook(fleet, dataDir, ports.agents));
  return new Promise<number>(() => undefined); // until Ctrl-C
}

function whereToLook(fleet: Fleet, dataDir: string, firstPort: number): string {
  return [
    'the fleet stays up until Ctrl-C. Where to look, what to try:',
    `  page         ${fleet.client.url}/   (token: ${join(dataDir, 'admin-token')})`,
    `  a device     curl http://127.0.0.1:${firstPort}/v1/slots/inspection/predictions/latest`,
    `  command line npx flotilla devices list    npx flotilla rollouts list    npx flotilla events`,
    `  break it     kill -9 any process: it comes back, and so does what it was doing`,
  ].join('\n');
}

function optionsOrSentence(): Options | 'help' | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return undefined;
  }
}

async function removeData(dataDir: string): Promise<void> {
  await clearDataFolder(dataDir, createLogger('warn'));
  rmSync(devicesFolder(dataDir), { recursive: true, force: true });
}

function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
