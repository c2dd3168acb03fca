import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { check, total } from './checker.js';
import { enrolByUrl } from './enrol-by-url.js';
import { fileStores } from './file-store.js';
import type { FleetIdentity } from './identities.js';
import { parseOptions, usage, type Options } from './options.js';
import { Relay } from './relay.js';
import { weatherOf } from './scenarios.js';
import { ServerProcess } from './server-process.js';
import { SimulatedFleet } from './simulated-fleet.js';

const slot = 'inspection';
const joinWithinMs = 300_000;
const drainWithinMs = 120_000;
const lookMs = 5000;

process.exitCode = await main();

async function main(): Promise<number> {
  let options: Options | 'help';
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return 64;
  }
  if (options === 'help') return (console.log(usage), 0);
  try {
    return options.url === undefined ? await withOwnServer(options) : await atUrl(options, options.url);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

/** The control plane is started for them, and asked at the end for each record. */
async function withOwnServer(options: Options): Promise<number> {
  const { broker, devices, windowS, uploadS } = options;
  const server = new ServerProcess();
  try {
    const identity = await server.start(broker, devices, { device: { windowS, uploadS, heartbeatS: 60 } });
    await server.release('1.0.0');
    return await withFleet(identity, options, async (fleet) => {
      await server.assign('product-classifier@1.0.0', slot);
      return async () => {
        const found = await check(fleet.ledger(), server.query);
        for (const each of found.slice(0, 20)) console.log(`  ${JSON.stringify(each)}`);
        const { lost, doubled, strange } = total(found);
        console.log(`the database: ${lost} lost, ${doubled} doubled, ${strange} that no device has sent`);
        return lost + doubled + strange === 0;
      };
    });
  } finally {
    await server.stop();
  }
}

async function atUrl(options: Options, url: string): Promise<number> {
  const token = process.env['FLOTILLA_TOKEN'];
  if (token === undefined) throw new Error('set FLOTILLA_TOKEN to an operator token of the control plane at --url');
  const identity = await enrolByUrl(url, token, `sim-${randomBytes(3).toString('hex')}`, options.devices);
  return withFleet(identity, options, async () => async () => true);
}

/** `joined` is called once all are there, and gives what is to be asked at the end. */
async function withFleet(
  identity: FleetIdentity,
  options: Options,
  joined: (fleet: SimulatedFleet) => Promise<() => Promise<boolean>>,
): Promise<number> {
  const weather = weatherOf(options.scenario, options.seed);
  const relay = weather.befall ? await Relay.before(identity.mqttUrl) : undefined;
  const files = options.store === 'file' ? mkdtempSync(join(tmpdir(), 'flotilla-outboxes-')) : undefined;
  const fleet = new SimulatedFleet(
    { ...identity, mqttUrl: relay?.url ?? identity.mqttUrl },
    { seed: options.seed, windowS: options.windowS, ...weather.fleet, ...(files && { openStore: fileStores(files) }) },
  );
  const ended = new AbortController();
  try {
    await fleet.join(weather.herd ? Infinity : options.perS, joinWithinMs);
    report('joined', fleet);
    const isWhole = await joined(fleet);
    const befalling = relay && weather.befall!(relay, options.seconds, ended.signal);
    await watch(fleet, options.seconds);
    await befalling;
    await fleet.drain(drainWithinMs);
    report('drained', fleet);
    return (await isWhole()) ? 0 : 1;
  } finally {
    ended.abort();
    await fleet.stop();
    await relay?.close();
    if (files) rmSync(files, { recursive: true, force: true });
  }
}

async function watch(fleet: SimulatedFleet, seconds: number): Promise<void> {
  const until = performance.now() + 1000 * seconds;
  while (performance.now() < until) {
    await delay(Math.min(lookMs, until - performance.now()));
    report('', fleet);
  }
}

function report(what: string, fleet: SimulatedFleet): void {
  const { devices, welcomed, connects, held, dropped, refused } = fleet.counts();
  const { rss } = process.memoryUsage();
  console.log(
    `${what.padEnd(8)} ${welcomed}/${devices} welcomed, ${connects} connections made; outboxes hold ${held}, dropped ${dropped}; ` +
      `${refused} orders refused; ${(rss / 2 ** 20).toFixed(0)} MB`,
  );
}
