import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';
import { SmallDisk } from './small-disk.js';

const devices = 500;
const days = 7;
/** Windows of an hour. */
const backlogS = 3600;
const liveS = 5;
/** Seldom on purpose in a fleet; here it would hide what the catching up costs. */
const uploadS = 1;
/** From its end until it can be asked for. */
const queryableWithinS = 5;
const lookMs = 1000;
const watched = 40;
const stored = 'ingest.records';
/** Each of so few devices that none waits long for the others, as on boards of their own. */
const processes = 5;
/** What waits is at most 96 MiB; a transaction, and what the collector has not come to, take about as much again. */
const mostGrowthMb = 300;

/** A region that was without a network for a week comes back at one moment, and goes on measuring. */
export function backlogFault(): Fault {
  // Each device has a disk of its own, whose waiting holds no other one up; here they would share one.
  let disk: SmallDisk | undefined;
  const rig = () => {
    disk = new SmallDisk(4096);
    return { ...usual, outboxes: disk.folder };
  };
  const name = `${devices} devices with ${days} days of backlog reconnect at once`;
  return { name, rig, strike, after: () => disk?.remove() };
}

const usual = {
  devices,
  processes,
  fleet: { upForS: days * 86_400 + 3600, backoff: { baseMs: 500, capMs: 4000 }, silenceMs: 60_000 },
  settings: { device: { windowS: liveS, uploadS, heartbeatS: 60 } },
};

async function strike(rig: TelemetryRig): Promise<Outcome> {
  rig.relay.setDown(true);
  rig.fleet.giveWay();
  await rig.fleet.record((days * 86_400) / backlogS, backlogS);
  const { held } = await rig.fleet.counts();
  const { rssMb: before, counters } = await rig.server.use();
  const storedBefore = counters[stored] ?? 0;
  const watch = await Watch.begin(rig);
  rig.relay.setDown(false);
  const from = performance.now();
  await rig.fleet.recordEvery(liveS);
  // Asked of the control plane: the simulators are busy.
  while ((await watch.look()) - storedBefore < held);
  const tookS = (performance.now() - from) / 1000;
  const { stalledS } = await rig.fleet.use();
  const verdict = await rig.settle();
  const [late, median] = watch.lateS;
  const growth = watch.peakMb - before;
  const wrong = [
    late > queryableWithinS ? `live data came after ${late.toFixed(1)} s` : '',
    growth > mostGrowthMb ? `the control plane grew by ${growth.toFixed(0)} MB` : '',
  ];
  return {
    verdict,
    said: `${held} held, ${(held / tookS).toFixed(0)} records/s; live data queryable within ${late.toFixed(1)} s (median ${median.toFixed(1)} s; of which the simulator's processes held it up by at most ${stalledS.toFixed(1)} s); ${before.toFixed(0)} to ${watch.peakMb.toFixed(0)} MB`,
    wrong: wrong.filter(Boolean).join('; ') || undefined,
  };
}

type Looked = { device: string; session: number; age: number | null };
/** A device with what it had said before, and since when it may speak again. */
type Watched = { session: number; since?: number };

/** How old the newest window of some devices is that can be asked for, as soon as one of each may be expected. */
class Watch {
  readonly #rig: TelemetryRig;
  readonly #devices: ReadonlyMap<string, Watched>;
  readonly #late: number[] = [];
  peakMb = 0;

  private constructor(rig: TelemetryRig, devices: ReadonlyMap<string, Watched>) {
    this.#rig = rig;
    this.#devices = devices;
  }

  static async begin(rig: TelemetryRig): Promise<Watch> {
    const devices = rig.identity.devices.slice(0, watched).map(({ device }) => device);
    const looked = await lookedAt(rig, devices);
    // What the week's recording took is nobody's waiting.
    await rig.fleet.use();
    return new Watch(rig, new Map(looked.map(({ device, session }) => [device, { session }])));
  }

  /** Worst and median: how long after its end a window could be asked for. */
  get lateS(): readonly [worst: number, median: number] {
    const sorted = this.#late.toSorted((a, b) => b - a);
    if (sorted.length === 0) throw new Error('the backlog was gone before anything could be looked at');
    return [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!];
  }

  /** How much has been stored. */
  async look(): Promise<number> {
    const looked = await lookedAt(this.#rig, [...this.#devices.keys()]);
    const ages = looked.filter(({ device, session }) => this.#isExpected(device, session)).map(({ age }) => age ?? 60);
    this.#late.push(...ages.map((age) => Math.max(0, age - liveS)));
    const { rssMb, counters } = await this.#rig.server.use();
    this.peakMb = Math.max(this.peakMb, rssMb);
    await delay(lookMs);
    return counters[stored] ?? 0;
  }

  /** It has been back for as long as a window and its way may take. */
  #isExpected(device: string, session: number): boolean {
    const known = this.#devices.get(device)!;
    if (session > known.session) known.since ??= performance.now();
    return known.since !== undefined && performance.now() - known.since >= 1000 * (liveS + queryableWithinS);
  }
}

const lookedAt = (rig: TelemetryRig, devices: readonly string[]): Promise<Looked[]> =>
  rig.query(
    `SELECT d.id device, d.session, (SELECT extract(epoch FROM clock_timestamp() - max(w.ended_at))::float8 FROM telemetry_window w
       WHERE w.device = d.id AND w.received_at > now() - interval '1 minute') age FROM device d WHERE d.id = ANY($1)`,
    [devices],
  ) as Promise<Looked[]>;
