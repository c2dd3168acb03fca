import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { OutputsConfig } from '@flotilla/protocol';
import { Child } from '../bench/child.js';
import { type PeerKind, peerKinds } from '../support/factory-kinds.js';
import type { PeerQuestion } from '../support/factory-peer-main.js';
import type { Tally } from '../support/factory-seen.js';
import { PlainMosquitto } from '../support/plain-mosquitto.js';
import { freePorts } from '../support/ports.js';
import type { Case } from './fault-suite.js';
import { camera, WatchedLine } from './watched-line.js';

const swapCount = 5;
const lossless: readonly PeerKind[] = ['mqtt', 'sparkplug', 'webhook'];

/** Real releases follow each other in real runners, with a preflight, while a camera looks on: no peer of the five outputs may notice. */
export async function releaseSwapped(name: string): Promise<Case> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-factory-'));
  const [mqtt, webhook, opcua, modbus] = (await freePorts(4)) as [number, number, number, number];
  const broker = new PlainMosquitto(folder, mqtt, ['allow_anonymous true']);
  await broker.start();
  const url = `mqtt://127.0.0.1:${mqtt}`;
  const line = await WatchedLine.start(
    OutputsConfig.parse({
      mqtt: { url },
      sparkplug: { url, group: 'plant' },
      webhook: { url: `http://127.0.0.1:${webhook}/readings` },
      opcua: { port: opcua, security: 'none', anonymous: 'read' },
      modbus: { port: modbus, values: ['width'] },
    }),
  );
  const ports: Record<PeerKind, number> = { mqtt, sparkplug: mqtt, webhook, opcua, modbus };
  const peers = new Map<PeerKind, Child>();
  const tallies = async () =>
    new Map(await Promise.all([...peers].map(async ([kind, peer]) => [kind, await peer.ask<Tally>({ tally: true })] as const)));
  const hearing = async (beyond: number) => [...(await tallies()).values()].every(({ last }) => last > beyond);
  try {
    for (const kind of peerKinds) {
      const peer = new Child(new URL('../support/factory-peer-main.js', import.meta.url));
      peers.set(kind, peer);
      await peer.ask({ kind, port: ports[kind], slot: camera } satisfies PeerQuestion);
    }
    await until(
      () => hearing(0),
      () => 'not every peer heard of a result',
      60_000,
    );
    const before = await tallies();
    for (let turn = 0; turn < swapCount; turn++) await swapInUse(line, turn);
    const newest = Math.max(...[...(await tallies()).values()].map(({ last }) => last));
    await until(
      () => hearing(newest),
      () => 'not every peer heard what came after the swaps',
      60_000,
    );
    return verdict(name, before, await tallies());
  } finally {
    await Promise.all([...peers.values()].map((peer) => peer.end()));
    await line.end();
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The station proves a release by inspections alone. */
async function swapInUse(line: WatchedLine, turn: number): Promise<void> {
  const swapping = { over: false };
  const swapped = line.swap().finally(() => (swapping.over = true));
  for (let part = 0; !swapping.over; part++) await line.inspect(`part-${turn}-${part}`, 'red');
  await swapped;
}

type Tallies = ReadonlyMap<PeerKind, Tally>;

function verdict(name: string, before: Tallies, after: Tallies): Case {
  const changed = (kind: PeerKind, what: 'falls' | 'runs') => after.get(kind)![what] > before.get(kind)![what];
  const fell = peerKinds.filter((kind) => changed(kind, 'falls') || changed(kind, 'runs'));
  const missing = lossless.filter((kind) => after.get(kind)!.missing > 0);
  const heard = peerKinds.map((kind) => `${kind} ${after.get(kind)!.distinct - before.get(kind)!.distinct}`).join(', ');
  const detail = `${swapCount} releases in real runners; heard: ${heard}; connections that fell: ${fell.join(', ') || 'none'}; readings missing: ${missing.join(', ') || 'none'}`;
  return { name, ok: fell.length === 0 && missing.length === 0, detail };
}
