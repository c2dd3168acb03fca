import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { rssMb } from '../bench/process-use.js';
import { type PeerKind, peerKinds } from '../support/factory-kinds.js';
import { FactoryRig } from '../support/factory-rig.js';
import type { Case, FaultSuite } from './fault-suite.js';
import { releaseSwapped } from './outputs-release.js';

const perSecond = 200;
const strikeMs = 8000;
const patienceMs = 60_000;
/** Of what a gateway holds: a backlog of each output that promises no loss, twice. */
const mostGrowthMb = 48;
const swapCount = 10;
const leastShare = 0.97;
type Log = Parameters<FaultSuite['run']>[0];
type Wanted = Parameters<FaultSuite['run']>[1];
/** On the broker: what is struck is the broker itself, which both share. */
const brokered = ['mqtt', 'sparkplug'] as const satisfies readonly PeerKind[];

type Strike = {
  name: string;
  kinds: readonly PeerKind[];
  begin: (rig: FactoryRig) => Promise<void>;
  mend: (rig: FactoryRig) => Promise<void>;
};

/** Factory systems that go, stand still or flood, while results come. */
export const outputs: FaultSuite = {
  about:
    'each peer of the five outputs gone, standing still, flooding; the broker restarted; releases swapped; the gateway killed (needs mosquitto) [--only WORD,…]',
  run: async (log, wanted) => [...(await atReleases(log, wanted)), ...(await atPeers(log, wanted))],
};

async function atReleases(log: Log, wanted: Wanted): Promise<Case[]> {
  const name = 'real release swapped';
  if (!wanted(name)) return [];
  log(`${name} …`);
  return [told(await releaseSwapped(name).catch((error: Error) => ({ name, ok: false, detail: error.message })), log)];
}

async function atPeers(log: Log, wanted: Wanted): Promise<Case[]> {
  const strikes = [...peerKinds.flatMap(peerStrikes), ...brokerStrikes, ...floods].filter(({ name }) => wanted(name));
  const others = Object.entries({ 'swapped and rolled back': swapped, 'gateway killed': gatewayKilled }).filter(([name]) =>
    wanted(name),
  );
  if (strikes.length + others.length === 0) return [];
  const cases: Case[] = [];
  const rig = await FactoryRig.start();
  try {
    await rig.serve(peerKinds);
    for (const kind of peerKinds) await rig.peer(kind);
    await rig.feed(perSecond);
    await delay(strikeMs / 2);
    for (const strike of strikes) {
      const { name } = strike;
      log(`${name} …`);
      cases.push(told(await tried(strike, rig).catch((error: Error) => ({ name, ok: false, detail: error.message })), log));
    }
    for (const [, happen] of others) cases.push(await happen(rig));
  } finally {
    await rig.end();
  }
  return cases;
}

function told(tried: Case, log: Log): Case {
  log(`  ${tried.ok ? 'ok' : 'FAILED'}: ${tried.detail}`);
  return tried;
}

function peerStrikes(kind: PeerKind): Strike[] {
  const still = (rig: FactoryRig, signal: NodeJS.Signals) => {
    process.kill(rig.peers.get(kind)!.pid, signal);
    return Promise.resolve();
  };
  return [
    { name: `${kind} peer gone`, kinds: [kind], begin: async (rig) => rig.peers.get(kind)!.end(), mend: (rig) => rig.peer(kind) },
    // Its connections stay open, and nothing is read any more: slow without end, and half-open.
    {
      name: `${kind} peer stands still`,
      kinds: [kind],
      begin: (rig) => still(rig, 'SIGSTOP'),
      mend: (rig) => still(rig, 'SIGCONT'),
    },
  ];
}

const brokerStrikes: readonly Strike[] = [
  { name: 'broker restarted', kinds: brokered, begin: ({ broker }) => broker.stop(), mend: ({ broker }) => broker.start() },
  {
    name: 'broker stands still',
    kinds: brokered,
    begin: ({ broker }) => broker.signal('SIGSTOP'),
    mend: ({ broker }) => broker.signal('SIGCONT'),
  },
];

const floods: readonly Strike[] = (['modbus', 'sparkplug'] as const).map((kind) => ({
  name: `${kind} peer floods`,
  kinds: [kind],
  begin: async (rig) => void rig.flood(kind, strikeMs).catch(() => {}),
  mend: () => Promise.resolve(),
}));

/** Once more where less came through than should have: on a busy machine others take their time, too. */
async function tried(strike: Strike, rig: FactoryRig): Promise<Case> {
  const first = await struck(strike, rig);
  return first.ok ? first : struck(strike, rig);
}

async function struck(strike: Strike, rig: FactoryRig): Promise<Case> {
  const others = peerKinds.filter((kind) => !strike.kinds.includes(kind));
  const [pid, heldBefore] = [rig.pid, await rssMb(rig.pid)];
  const falls = await Promise.all(others.map(async (kind) => (await rig.tally(kind)).falls));
  const usual = await sharePassed(rig, strikeMs / 2, () => Promise.resolve());
  const share = await sharePassed(rig, strikeMs, () => strike.begin(rig));
  const held = await rssMb(rig.pid);
  await strike.mend(rig);
  await caughtUp(rig, strike);
  const after = await Promise.all(others.map(async (kind) => (await rig.tally(kind)).falls));
  const disturbed = others.filter((_, i) => after[i]! > falls[i]!);
  const counts = (await rig.outputs()).filter(({ kind }) => strike.kinds.some((its) => its === kind));
  const isUnhurt = rig.pid === pid && held - heldBefore < mostGrowthMb && disturbed.length === 0;
  return {
    name: strike.name,
    ok: isUnhurt && share >= usual * leastShare,
    detail: [
      `${(share * 100).toFixed(1)} % of frames inferred meanwhile, ${(usual * 100).toFixed(1)} % before`,
      `${heldBefore.toFixed(0)} to ${held.toFixed(0)} MB`,
      disturbed.length > 0 ? `disturbed: ${disturbed.join(', ')}` : 'nobody else disturbed',
      ...counts.map(({ kind, sent, dropped }) => `${kind}: ${sent} sent, ${dropped} dropped`),
    ].join('; '),
  };
}

/** Of what the line sent. */
async function sharePassed(rig: FactoryRig, ms: number, begin: () => Promise<void>): Promise<number> {
  const [fed, frames] = [await rig.fed(), await rig.frames()];
  await begin();
  await delay(ms);
  const [fedNow, framesNow] = [await rig.fed(), await rig.frames()];
  return (framesNow.inferred - frames.inferred) / (fedNow.fed - fed.fed);
}

/** By itself: the peer hears what is new, and nothing waits. */
async function caughtUp(rig: FactoryRig, { kinds, name }: Strike): Promise<void> {
  for (const kind of kinds) {
    const isThere = async () => {
      const [{ queued, state }, { last }, frames] = [await rig.output(kind), await rig.tally(kind), await rig.frames()];
      return state === 'running' && queued < perSecond && last > frames.inferred - perSecond * 2;
    };
    const told = { last: '' };
    const looked = async () => {
      const there = await isThere();
      told.last = JSON.stringify([await rig.output(kind), await rig.tally(kind)]);
      return there;
    };
    await until(looked, () => `${name}: ${kind} did not recover within ${patienceMs / 1000} s: ${told.last}`, patienceMs);
  }
}

/** Runners change, and one is taken back: nobody's connection falls, and both are told apart. */
async function swapped(rig: FactoryRig): Promise<Case> {
  const telling = ['mqtt', 'sparkplug', 'opcua', 'modbus'] as const;
  const before = await Promise.all(peerKinds.map((kind) => rig.tally(kind)));
  for (let swaps = 1; swaps <= swapCount; swaps++) await rig.swap({ swaps, rollBacks: 0 });
  await rig.swap({ swaps: swapCount, rollBacks: 1 });
  const told = async () => {
    const tallies = await Promise.all(telling.map((kind) => rig.tally(kind)));
    return tallies.every(({ swaps, rollBacks }) => swaps === swapCount && rollBacks === 1);
  };
  await until(told, () => 'not every peer was told of the swaps', patienceMs);
  const after = await Promise.all(peerKinds.map((kind) => rig.tally(kind)));
  const fell = peerKinds.filter((_, i) => after[i]!.falls > before[i]!.falls || after[i]!.runs > before[i]!.runs);
  const detail = `${swapCount} swaps and 1 roll back told to ${telling.join(', ')}; connections that fell: ${fell.join(', ') || 'none'}`;
  return { name: 'swapped and rolled back', ok: fell.length === 0, detail };
}

/** Each peer hears of it: a new run, whose numbers begin anew. */
async function gatewayKilled(rig: FactoryRig): Promise<Case> {
  const named = ['mqtt', 'sparkplug', 'webhook', 'modbus'] as const;
  const runs = new Map(await Promise.all(named.map(async (kind) => [kind, (await rig.tally(kind)).runs] as const)));
  const pid = rig.pid;
  process.kill(pid, 'SIGKILL');
  const told: Partial<Record<PeerKind, string>> = {};
  const seen = async () => {
    for (const kind of named) {
      const tally = await rig.tally(kind);
      told[kind] = `${tally.runs} runs, at ${tally.last}`;
      if (tally.runs <= runs.get(kind)! || tally.last < 1) return false;
    }
    return true;
  };
  await until(seen, () => `not every peer saw it: ${JSON.stringify(told)}`, patienceMs);
  return { name: 'gateway killed', ok: rig.gateway.pid !== pid, detail: `each peer saw it begin anew: ${JSON.stringify(told)}` };
}
