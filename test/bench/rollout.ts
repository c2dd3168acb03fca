import { RolloutView, type RolloutPlanInput } from '@flotilla/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import { ServerProcess } from '../fleet-sim/server-process.js';
import { Child } from './child.js';
import type { CrowdQuestion, CrowdReport } from './crowd-main.js';
import type { Bench, Figure } from './figure.js';
import { quantile } from './statistics.js';

const slot = 'inspection';
const maxConnections = 50;
const looks = 21;
const times = 10;
const moveWithinMs = 300_000;

/** A rollout over a database full of devices; one other process answers for those that move, over a few connections. */
export const rollout: Bench = {
  about: 'a rollout in five stages, 100,000 devices in the database (--devices, --move N of them, --no-tick)',
  async run(log, flags) {
    const devices = flags.count('devices', 100_000);
    const moving = Math.min(flags.count('move', devices), devices);
    const server = new ServerProcess();
    const crowd = new Child(new URL('crowd-main.js', import.meta.url));
    try {
      const identity = await server.start('mosquitto', maxConnections, {
        device: { windowS: 3600, uploadS: 3600, heartbeatS: 3600 },
      });
      await server.release('1.0.0');
      await fill(server, 1, moving, 'yes');
      await fill(server, moving + 1, devices, 'no');
      // As the database knows a fleet that has not come within the last minute.
      await server.query('ANALYZE device');
      const planS = await seconds(() => ask(server, 'rollouts/preview', plan('preview', '*')));
      let made: RolloutView | undefined;
      const createS = await seconds(async () => {
        made = RolloutView.parse(await ask(server, 'rollouts', plan('silent', '*', 100)));
      });
      log(`${devices} devices: planned in ${planS.toFixed(2)} s, made in ${createS.toFixed(2)} s`);
      await server.api('POST', `rollouts/${made!.id}/commands`, { type: 'cancel' });
      const { perS, reportsPerS } = await moved(server, crowd, identity.ca, moving, log);
      const { rssMb } = await server.use();
      const ticks = flags.has('no-tick') ? undefined : await tickRatio(server, devices, log);
      return { ...figures({ devices, planS, createS, perS, reportsPerS, rssMb }), ...ticks };
    } finally {
      await crowd.end();
      await server.stop();
    }
  },
};

/** A gate that a few windows settle: the stages go as fast as devices commit. */
const plan = (name: string, target: string, maxInFlight?: number): RolloutPlanInput => ({
  name,
  release: 'product-classifier@1.0.0',
  slot,
  target,
  stages: [1, 5, 20, 50, 100].map((percent) => ({ name: `to-${percent}`, percent, soak: 0, deadline: 3600 })),
  gates: [{ metric: 'errors', max: 0.1, minInferences: 1, margin: 0.5 }],
  evidence: { pass: 0.2 },
  ...(maxInFlight === undefined ? {} : { pace: { maxInFlight } }),
});

type Seen = Record<'devices' | 'planS' | 'createS' | 'perS' | 'reportsPerS' | 'rssMb', number>;
const figures = ({ devices, planS, createS, perS, reportsPerS, rssMb }: Seen): Record<string, Figure> => ({
  devices: { value: devices, unit: 'count' },
  plan_s: { value: planS, unit: 's', reach: '< 10' },
  create_s: { value: createS, unit: 's', reach: '< 5' },
  devices_per_s: { value: perS, unit: '1/s', reach: '>= 1500' },
  reports_per_s: { value: reportsPerS, unit: '1/s', reach: '>= 1000' },
  rss_mb: { value: rssMb, unit: 'MB', reach: '< 400' },
});

/** From the order to the commit of all, as the rollout counts them; and the updates and windows that were stored meanwhile. */
async function moved(server: ServerProcess, crowd: Child, ca: string, moving: number, log: (line: string) => void) {
  await crowd.ask({
    connect: { ca, ...(await server.crowd()) },
    connections: maxConnections,
    devices: moving,
  } satisfies CrowdQuestion);
  const reports = async () => (await server.use()).counters['ingest.records'] ?? 0;
  const before = await reports();
  const from = performance.now();
  const { id } = RolloutView.parse(await ask(server, 'rollouts', plan('moving', 'moves=yes')));
  for (;;) {
    const view = RolloutView.parse((await server.api('GET', `rollouts/${id}`)).body);
    if (view.phase === 'completed') break;
    if (view.phase !== 'running' || performance.now() - from > moveWithinMs)
      throw new Error(`the rollout is ${view.phase}: ${JSON.stringify(view.stages.map((stage) => stage.counts))}`);
    await delay(200);
  }
  const tookS = (performance.now() - from) / 1000;
  const perS = moving / tookS;
  const reportsPerS = ((await reports()) - before) / tookS;
  const { told } = await crowd.ask<CrowdReport>({ report: true } satisfies CrowdQuestion);
  log(`  ${moving} devices moved through five stages, ${perS.toFixed(0)} a second; they were told ${told} times`);
  return { perS, reportsPerS };
}

/** The same rollout under way, with as many in flight, before and after ten times as many devices wait in it. */
async function tickRatio(server: ServerProcess, devices: number, log: (line: string) => void): Promise<Record<string, Figure>> {
  const { id } = RolloutView.parse(await ask(server, 'rollouts', plan('ticks', 'moves=no', 100)));
  await delay(2000);
  await server.tick(id, looks);
  await server.query('ANALYZE');
  const few = quantile(await server.tick(id, looks), 0.5);
  await fill(server, devices + 1, times * devices, 'no');
  await server.query(
    `INSERT INTO rollout_target (rollout, device, stage, state, hardware_class)
     SELECT $1, id, 4, 'waiting', hardware_class FROM device WHERE id > $2`,
    [id, nameOf(devices)],
  );
  await server.query('ANALYZE');
  await server.tick(id, looks);
  const many = quantile(await server.tick(id, looks), 0.5);
  log(`  a look at it takes ${few.toFixed(1)} ms; with ${times} times as many devices ${many.toFixed(1)} ms`);
  return { tick_ms: { value: few, unit: 'ms' }, tick_ratio_1m_vs_100k: { value: many / few, unit: 'ratio', reach: '<= 1.2' } };
}

const nameOf = (n: number) => `crowd-${String(n).padStart(7, '0')}`;

function fill(server: ServerProcess, from: number, to: number, moves: 'yes' | 'no'): Promise<unknown> {
  return server.query(
    `INSERT INTO device (id, tenant, status, profile, hardware_class, labels, notes, agent, key_thumbprint, certificate_serial,
       certificate_expires_at, enrolled_at, online, last_seen_at)
     SELECT 'crowd-' || lpad(n::text, 7, '0'), 'default', 'active', 'generic-x64', 'generic-x64/1.30.0+avx2',
       jsonb_build_object('site', 'site-' || n % 100, 'moves', $3::text), '[]', '0.1.0', repeat('A', 43), 'crowd-' || n,
       now() + interval '30 days', now(), true, now()
     FROM generate_series($1::int, $2::int) n`,
    [from, to, moves],
  );
}

async function ask(server: ServerProcess, path: string, body: unknown): Promise<unknown> {
  const answer = await server.api('POST', path, body);
  if (answer.status >= 300) throw new Error(`${path} was refused: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return (performance.now() - from) / 1000;
}
