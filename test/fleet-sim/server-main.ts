import '@flotilla/control-plane/small-heap';
import { Counters } from '@flotilla/control-plane/platform/counters';
import { RolloutConductor } from '@flotilla/control-plane/rollouts/rollout-conductor';
import { RolloutMachine } from '@flotilla/control-plane/rollouts/rollout-machine';
import { RolloutId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { answerParent } from '../bench/child.js';
import type { Settings, TestControlPlane } from '../support/control-plane.js';
import { pushed, aRelease, digestOfRelease } from '../support/releases.js';
import { deviceNames, enrolInBulk } from './bulk-enrolment.js';
import { startServer, type BrokerKind, type SimulationServer } from './simulation-server.js';

/** What a bench asks of the control plane's process. */
export type ServerQuestion =
  | { start: { broker: BrokerKind; settings: Settings; prefix: string; devices: number } }
  /** The same data once more, after whatever has ended the process before. */
  | { resume: Settings }
  /** Its clock is so far off from now on. */
  | { clock: number }
  | { release: string }
  | { api: { method: string; path: string; body?: unknown } }
  | { sql: string; values?: unknown[] }
  | { look: 'use' | 'database' | 'readiness' }
  /** Looks at one rollout so often, with nobody else doing it. */
  | { tick: string; times: number }
  | { crowd: true }
  | { stop: true };
export type Readiness = { ok: boolean; database: boolean; broker: boolean };
export type ServerUse = {
  pid: number;
  brokerPid: number | undefined;
  rssMb: number;
  cpuS: number;
  counters: Readonly<Record<string, number>>;
};

let server: SimulationServer | undefined;
let aheadMs = 0;
const clock = { now: () => new Date(Date.now() + aheadMs) };

answerParent<ServerQuestion>(async (question) => {
  if ('start' in question) return start(question.start);
  if ('resume' in question) return void (server = await startServer('aedes', question.resume, [], { clock }));
  if ('clock' in question) return void (aheadMs = question.clock);
  if ('stop' in question) return server?.stop();
  const { controlPlane, brokerPid } = server!;
  const db = controlPlane.app.get(DataSource);
  if ('release' in question) return digestOfRelease(await pushed(controlPlane, aRelease(question.release)));
  if ('api' in question) return controlPlane.api(question.api.method, question.api.path, question.api.body);
  if ('crowd' in question) return server!.crowd;
  if ('tick' in question) return tick(controlPlane, question);
  if ('sql' in question) return db.query(question.sql, question.values);
  if (question.look === 'readiness') return (await fetch(`${controlPlane.url}/readyz`)).json();
  return question.look === 'use' ? use(brokerPid) : (db.options as { url: string }).url;
});

async function start({ broker, settings, prefix, devices }: Extract<ServerQuestion, { start: object }>['start']) {
  server = await startServer(broker, settings, deviceNames(prefix, devices), { clock });
  return enrolInBulk(server.controlPlane, prefix, devices);
}

/** Milliseconds of each look. */
async function tick(
  { app }: TestControlPlane,
  { tick: id, times }: Extract<ServerQuestion, { tick: string }>,
): Promise<number[]> {
  await app.get(RolloutConductor).onApplicationShutdown();
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const from = performance.now();
    await app.get(RolloutMachine).tick(RolloutId.parse(id), async () => {});
    taken.push(performance.now() - from);
  }
  return taken;
}

function use(brokerPid: number | undefined): ServerUse {
  const { user, system } = process.cpuUsage();
  const counters = server!.controlPlane.app.get(Counters).snapshot();
  const rssMb = process.memoryUsage.rss() / 2 ** 20;
  return { pid: process.pid, brokerPid, rssMb, cpuS: (user + system) / 1e6, counters };
}
