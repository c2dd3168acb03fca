import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { type PeerKind, peerKinds } from '../support/factory-kinds.js';
import { FactoryRig } from '../support/factory-rig.js';
import type { Bench, Figure } from './figure.js';
import { rssMb, threadCpuUs } from './process-use.js';
import { quantile } from './statistics.js';

const perSecond = 1000;
const warmUpMs = 4000;
const lookMs = 500;
/** Those that promise no loss. */
const lossless = ['mqtt', 'sparkplug', 'webhook'] as const satisfies readonly PeerKind[];

/** A sensor's thousand readings a second to five factory systems at once, each a real peer in a process of its own. */
export const outputs: Bench = {
  about: `${perSecond} readings a second from one slot to all five outputs (needs mosquitto) [--seconds N] [--only KIND,…]`,
  async run(log, flags) {
    const seconds = flags.count('seconds', 20);
    const only = flags.list('only');
    const kinds = peerKinds.filter((kind) => only.length === 0 || only.includes(kind));
    const rig = await FactoryRig.start();
    try {
      await rig.serve([]);
      await rig.feed(perSecond);
      await delay(warmUpMs);
      const alone = await spent(rig, seconds * 1000);
      log(`  the gateway alone: ${alone.perSecond.toFixed(0)} results/s, ${alone.cores.toFixed(3)} cores`);
      await rig.feed(0);
      await rig.serve(kinds);
      for (const kind of kinds) await rig.peer(kind);
      await rig.feed(perSecond);
      await delay(warmUpMs);
      const all = await spent(rig, seconds * 1000);
      log(`  with ${kinds.join(', ')}: ${all.perSecond.toFixed(0)} results/s, ${all.cores.toFixed(3)} cores`);
      await rig.feed(0);
      return { ...costs(alone, all), ...(await losses(rig, kinds, log)) };
    } finally {
      await rig.end();
    }
  },
};

type Spent = { perSecond: number; cores: number; held: number[] };

async function spent(rig: FactoryRig, ms: number): Promise<Spent> {
  const [frames, cpu, began] = [await rig.frames(), await cpuUs(rig.pid), performance.now()];
  const held: number[] = [];
  while (performance.now() - began < ms) {
    await delay(lookMs);
    held.push(await rssMb(rig.pid));
  }
  const [after, cpuAfter, tookMs] = [await rig.frames(), await cpuUs(rig.pid), performance.now() - began];
  return { perSecond: ((after.inferred - frames.inferred) * 1000) / tookMs, cores: (cpuAfter - cpu) / 1000 / tookMs, held };
}

async function cpuUs(pid: number): Promise<number> {
  return [...(await threadCpuUs(pid)).values()].reduce((sum, us) => sum + us, 0);
}

function costs(alone: Spent, all: Spent): Record<string, Figure> {
  // By the reading: on a machine that is short of processors fewer come through.
  const cores = (all.cores / all.perSecond - alone.cores / alone.perSecond) * perSecond;
  const quarter = Math.max(1, Math.floor(all.held.length / 4));
  const [first, last] = [quantile(all.held.slice(0, quarter), 0.5), quantile(all.held.slice(-quarter), 0.5)];
  return {
    // A pace of exactly a thousand is a little less by the clock of whoever counts.
    updates_per_s: { value: Math.round(all.perSecond), unit: '1/s', reach: `>= ${perSecond}` },
    cpu_cores: { value: cores, unit: 'cores', reach: '<= 0.3' },
    cpu_cores_without: { value: (alone.cores / alone.perSecond) * perSecond, unit: 'cores' },
    rss_mb: { value: last, unit: 'MB' },
    rss_growth_ratio: { value: last / first, unit: 'ratio', reach: '<= 1.1' },
  };
}

/** When all has come through: what is missing between the first and the last number that a peer knows. */
async function losses(rig: FactoryRig, kinds: readonly PeerKind[], log: (line: string) => void) {
  const { inferred } = await rig.frames();
  const promised = lossless.filter((kind) => kinds.includes(kind));
  const isQuiet = async () => (await rig.outputs()).every(({ queued }) => queued === 0);
  await until(isQuiet, () => 'readings still wait', 60_000);
  const newest = async () => Math.max(...(await Promise.all(promised.map(async (kind) => (await rig.tally(kind)).last))));
  const most = await newest();
  const caughtUp = async () => (await Promise.all(promised.map((kind) => rig.tally(kind)))).every(({ last }) => last >= most);
  await until(caughtUp, () => `a peer did not hear reading ${most}`, 30_000);
  const states = await rig.outputs();
  let lost = states.reduce((sum, { dropped }) => sum + dropped, 0);
  for (const kind of kinds) {
    const tally = await rig.tally(kind);
    if (promised.some((its) => its === kind)) lost += tally.missing;
    log(
      `  ${kind.padEnd(10)} heard ${tally.heard}, ${tally.first} to ${tally.last}, ${tally.missing} missing, fell ${tally.falls} times`,
    );
  }
  const { dropped } = await rig.frames();
  log(`  ${inferred} results, ${dropped} frames dropped before the model`);
  return { lost: { value: lost, unit: 'count', reach: '0' } };
}
