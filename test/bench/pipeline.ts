import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { BareRun } from './bare-main.js';
import type { CameraQuestion, CameraRun } from './camera-main.js';
import { Child } from './child.js';
import type { DecodeQuestion } from './decode-main.js';
import { gatewayMemory } from './gateway-memory.js';
import { LoadClient, unfailing } from './load.js';
import type { Bench, Figure } from './figure.js';
import { blazeface, blazefaceSteps, file } from './models.js';
import { rssMb, spentBetween, threadCpuUs } from './process-use.js';
import { benchSlot, type ServedModel, serveModel } from './served-model.js';
import { estimate, quantile } from './statistics.js';

const roundMs = 600;
const warmUpMs = 1500;
/** Decoded and computed side by side, as the gateway keeps them. */
const inFlight = 2;
const frame = { width: 640, height: 480 };

/** Whole passes, JPEG to boxes, through the runner's own program. */
export const pipeline: Bench = {
  about:
    'pictures of 640x480 to faces against sharp and ONNX Runtime in a loop, a camera too fast, and raw frames through the gateway (needs ffmpeg) [--rounds N] [--frames N] [--only PART,…]',
  async run(log, flags) {
    const [rounds, frames, only] = [flags.count('rounds', 15), flags.count('frames', 10_000), flags.list('only')];
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
    const served = await serveModel(blazeface, log, blazefaceSteps);
    const clients: LoadClient[] = [];
    const bare = new Child(new URL('decode-main.js', import.meta.url));
    try {
      const pictures = await picturesIn(folder);
      await bare.ask({ load: blazeface, pictures } satisfies DecodeQuestion);
      const call = { slot: benchSlot, inputs: [], outputBytes: 1, pictures };
      const client = await LoadClient.connected('frames', served.targets.unix, call, inFlight);
      clients.push(client);
      const sides = { log, client, served, pictures };
      const parts = {
        rate: () => compare({ ...sides, rounds, bare }),
        memory: () => memory({ ...sides, frames }),
        latency: () => latency({ ...sides, rounds }),
        gateway: () => gatewayMemory(log, frames),
      };
      const figures: Record<string, Figure> = {};
      for (const [name, part] of Object.entries(parts))
        if (only.length === 0 || only.includes(name)) Object.assign(figures, await part());
      return figures;
    } finally {
      await Promise.all([...clients.map((client) => client.end()), bare.end(), served.end()]);
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** The shipped photographs at a camera's size. */
async function picturesIn(folder: string): Promise<string[]> {
  const photographs = file('models/photographs');
  const names = (await readdir(photographs)).filter((name) => name.endsWith('.jpg'));
  for (const name of names) {
    const picture = sharp(join(photographs, name)).resize({ ...frame, fit: 'cover' });
    await picture.jpeg({ quality: 90 }).toFile(join(folder, name));
  }
  return names.map((name) => join(folder, name));
}

type Sides = { log: (line: string) => void; client: LoadClient; served: ServedModel; pictures: string[] };

/** Both in turn, in the other order every second round, so that a drift of the machine falls on both. */
async function compare({ log, rounds, client, bare, served }: Sides & { rounds: number; bare: Child }) {
  const loop = (ms: number) => bare.ask<BareRun>({ runForMs: ms } satisfies DecodeQuestion);
  await Promise.all([client.closedLoop(inFlight, warmUpMs), loop(warmUpMs)]);
  const measured = { bare: [] as number[], two: [] as number[], one: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const steps = [
      async () => measured.bare.push((await loop(roundMs)).perSecond),
      async () => measured.two.push(unfailing(await client.closedLoop(inFlight, roundMs)).perSecond),
      async () => measured.one.push(unfailing(await client.closedLoop(1, roundMs)).perSecond),
    ];
    for (const step of round % 2 === 1 ? steps.toReversed() : steps) await step();
  }
  log(
    `  frames a second: bare loop ${quantile(measured.bare, 0.5).toFixed(0)}, pipeline ${quantile(measured.two, 0.5).toFixed(0)}`,
  );
  await reportCost(log, client, served);
  const over = (ours: readonly number[]): Figure => {
    const { median, interval } = estimate(ours.map((perSecond, i) => perSecond / measured.bare[i]!));
    return { value: median, interval, unit: 'ratio' };
  };
  return { rate_ratio: { ...over(measured.two), reach: '>= 0.8' }, one_in_flight_ratio: over(measured.one) };
}

async function reportCost(log: Sides['log'], client: LoadClient, { pid }: ServedModel): Promise<void> {
  const before = await threadCpuUs(pid);
  const answered = (await client.closedLoop(inFlight, warmUpMs)).timesMs.length;
  const { main, others } = spentBetween(pid, before, await threadCpuUs(pid));
  const each = (us: number) => (us / answered / 1000).toFixed(2);
  log(`  processor time a frame: main thread ${each(main)} ms, decoder, engine and others ${each(others)} ms`);
}

/** What the runner holds while it gets frame after frame: the last quarter over the first. */
async function memory({ log, frames, client, served }: Sides & { frames: number }): Promise<Record<string, Figure>> {
  const held: number[] = [];
  for (let answered = 0; answered < frames; held.push(await rssMb(served.pid))) {
    const result = await client.closedLoop(inFlight, roundMs);
    unfailing(result);
    answered += result.timesMs.length;
  }
  const quarter = Math.max(1, Math.floor(held.length / 4));
  const [first, last] = [quantile(held.slice(0, quarter), 0.5), quantile(held.slice(-quarter), 0.5)];
  log(`  the runner holds ${first.toFixed(0)} MB at first, ${last.toFixed(0)} MB after ${frames} frames`);
  return { rss_growth_ratio: { value: last / first, unit: 'ratio', reach: '<= 1.05' } };
}

const filmMs = 1500;
/** So slow that each picture is through long before the next. */
const unhurried = 10;

/** A camera at twice the rate that is possible, through the gateway's lane: how old its results are, in passes of a picture that nothing else is in the way of. */
async function latency({ log, client, served, rounds, pictures }: Sides & { rounds: number }) {
  const gateway = new Child(new URL('camera-main.js', import.meta.url));
  const film = (perSecond: number) =>
    gateway.ask<CameraRun>({ socket: socketOf(served), pictures, perSecond, ms: filmMs } satisfies CameraQuestion);
  const [ratios, worst, runs]: [number[], number[], CameraRun[]] = [[], [], []];
  try {
    await film(unhurried);
    for (let round = 0; round < rounds; round++) {
      const { perSecond } = unfailing(await client.closedLoop(inFlight, roundMs));
      const pass = quantile((await film(unhurried)).latenciesMs, 0.5);
      const run = await film(2 * perSecond);
      runs.push(run);
      ratios.push(quantile(run.latenciesMs, 0.5) / pass);
      worst.push(quantile(run.latenciesMs, 0.95) / pass);
    }
  } finally {
    await gateway.end();
  }
  const sum = (of: (run: CameraRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const [captured, inferred, dropped] = [sum((r) => r.captured), sum((r) => r.inferred), sum((r) => r.dropped)];
  log(`  a camera at twice the rate: ${captured} taken, ${inferred} inferred, ${dropped} dropped`);
  const { median, interval } = estimate(ratios);
  return {
    latency_passes: { value: median, interval, unit: 'ratio', reach: '<= 2' },
    latency_p95_passes: { value: estimate(worst).median, unit: 'ratio' },
    uncounted_frames: { value: captured - inferred - dropped, unit: 'count', reach: '0' },
  };
}

function socketOf({ targets: { unix } }: ServedModel): string {
  if (!('path' in unix)) throw new Error('the bench serves on no UNIX socket');
  return unix.path;
}
