import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, Outcome } from './case.js';
import type { TelemetryRig } from './rig.js';

const devices = 500;
const days = 7;
/** Windows of half an hour, as coarse as an outbox keeps what is old. */
const backlogS = 1800;
const liveS = 2;
/** From its end until it can be asked for. */
const queryableWithinS = 5;
const lookMs = 1000;
const watched = 40;
/** What waits is at most 64 MiB as JSON; read and in a transaction it takes more than once that. */
const mostGrowthMb = 300;

/** A region that was without a network for a week comes back at one moment, and goes on measuring. */
export const backlogFault: Fault = {
  name: `${devices} devices with ${days} days of backlog reconnect at once`,
  rig: {
    devices,
    fleet: { upForS: days * 86_400 + 3600, backoff: { baseMs: 500, capMs: 4000 }, silenceMs: 60_000 },
    settings: { device: { windowS: liveS, uploadS: liveS, heartbeatS: 60 } },
  },
  strike,
};

async function strike(rig: TelemetryRig): Promise<Outcome> {
  rig.relay.setDown(true);
  await rig.fleet.record((days * 86_400) / backlogS, backlogS);
  const { held } = await rig.fleet.counts();
  const before = (await rig.server.use()).rssMb;
  rig.relay.setDown(false);
  const from = performance.now();
  await rig.fleet.recordEvery(liveS);
  await rig.fleet.welcomed(120_000);
  const watch = new Watch(rig);
  while ((await rig.fleet.counts()).held > held * 0.02) await watch.look();
  const tookS = (performance.now() - from) / 1000;
  const verdict = await rig.settle();
  const [late, growth] = [watch.worstS, watch.peakMb - before];
  const wrong = [
    late > queryableWithinS ? `live data came after ${late.toFixed(1)} s` : '',
    growth > mostGrowthMb ? `the control plane grew by ${growth.toFixed(0)} MB` : '',
  ];
  return {
    verdict,
    said: `${held} held, ${(held / tookS).toFixed(0)} records/s; live data queryable within ${late.toFixed(1)} s (median ${watch.medianS.toFixed(1)} s); ${before.toFixed(0)} to ${watch.peakMb.toFixed(0)} MB`,
    wrong: wrong.filter(Boolean).join('; ') || undefined,
  };
}

/** How old the newest window of some devices is that can be asked for. */
class Watch {
  readonly #rig: TelemetryRig;
  readonly #devices: readonly string[];
  readonly #ages: number[] = [];
  peakMb = 0;

  constructor(rig: TelemetryRig) {
    this.#rig = rig;
    this.#devices = rig.identity.devices.slice(0, watched).map(({ device }) => device);
  }

  /** A window is as long as the time between two: so much of its age is no delay. */
  get worstS(): number {
    return Math.max(0, this.#sorted.at(-1)! - liveS);
  }

  get medianS(): number {
    return Math.max(0, this.#sorted[Math.floor(this.#ages.length / 2)]! - liveS);
  }

  get #sorted(): number[] {
    return this.#ages.toSorted((a, b) => a - b);
  }

  async look(): Promise<void> {
    const rows = (await this.#rig.query(
      `SELECT d.device, (SELECT extract(epoch FROM clock_timestamp() - max(w.ended_at))::float8 FROM telemetry_window w
         WHERE w.device = d.device AND w.received_at > now() - interval '1 minute') age FROM unnest($1::text[]) d(device)`,
      [this.#devices],
    )) as { age: number | null }[];
    this.#ages.push(...rows.map(({ age }) => age ?? 60));
    this.peakMb = Math.max(this.peakMb, (await this.#rig.server.use()).rssMb);
    await delay(lookMs);
  }
}
