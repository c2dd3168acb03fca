import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { rssMb } from '../bench/process-use.js';
import { type PeerKind, peerKinds } from '../support/factory-kinds.js';
import { FactoryRig } from '../support/factory-rig.js';
import type { Case, FaultSuite } from './main.js';

const perSecond = 200;
const strikeMs = 8000;
const patienceMs = 60_000;
/** Of what a gateway holds: a backlog of each output that promises no loss, twice. */
const mostGrowthMb = 48;
const leastShare = 0.97;
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
    'each peer of the five outputs gone, standing still, flooding; the broker restarted; the gateway killed (needs mosquitto) [--only WORD,…]',
  run: async (log, wanted) => {
    const strikes = [...peerKinds.flatMap(peerStrikes), ...brokerStrikes, ...floods];
    const cases: Case[] = [];
    const rig = await FactoryRig.start();
    try {
      await rig.serve(peerKinds);
      for (const kind of peerKinds) await rig.peer(kind);
      await rig.feed(perSecond);
      await delay(strikeMs / 2);
      for (const strike of strikes) {
        if (!wanted(strike.name)) continue;
        log(`${strike.name} …`);
        cases.push(
          ...(await tried(strike, rig).catch((error: Error) => [{ name: strike.name, ok: false, detail: error.message }])),
        );
      }
      if (wanted('gateway killed')) cases.push(await gatewayKilled(rig));
    } finally {
      await rig.end();
    }
    return cases;
  },
};

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

async function tried(strike: Strike, rig: FactoryRig): Promise<Case[]> {
  const others = peerKinds.filter((kind) => !strike.kinds.includes(kind));
  const [pid, heldBefore, before, framesBefore] = [rig.pid, await rssMb(rig.pid), await rig.fed(), await rig.frames()];
  const falls = new Map(await Promise.all(others.map(async (kind) => [kind, (await rig.tally(kind)).falls] as const)));
  await strike.begin(rig);
  await delay(strikeMs);
  const [after, frames, held] = [await rig.fed(), await rig.frames(), await rssMb(rig.pid)];
  const share = (frames.inferred - framesBefore.inferred) / (after.fed - before.fed);
  await strike.mend(rig);
  await caughtUp(rig, strike);
  const disturbed: string[] = [];
  for (const kind of others) if ((await rig.tally(kind)).falls > falls.get(kind)!) disturbed.push(kind);
  const counts = (await rig.outputs()).filter(({ kind }) => strike.kinds.some((its) => its === kind));
  const isBounded = held - heldBefore < mostGrowthMb;
  return [
    {
      name: strike.name,
      ok: share >= leastShare && isBounded && rig.pid === pid && disturbed.length === 0,
      detail: [
        `${(share * 100).toFixed(1)} % of ${after.fed - before.fed} frames inferred meanwhile`,
        `${heldBefore.toFixed(0)} to ${held.toFixed(0)} MB`,
        disturbed.length > 0 ? `disturbed: ${disturbed.join(', ')}` : 'nobody else disturbed',
        ...counts.map(({ kind, sent, dropped }) => `${kind}: ${sent} sent, ${dropped} dropped`),
      ].join('; '),
    },
  ];
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
