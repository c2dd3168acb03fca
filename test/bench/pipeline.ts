import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { BareRun } from './bare-main.js';
import { Child } from './child.js';
import type { DecodeQuestion } from './decode-main.js';
import { LoadClient, unfailing } from './load.js';
import type { Bench, Figure } from './main.js';
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
  about: 'pictures of 640x480 to faces through the runner against sharp and ONNX Runtime in a loop [--rounds N] [--frames N]',
  async run(log, flags) {
    const [rounds, frames] = [flags.count('rounds', 15), flags.count('frames', 10_000)];
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
      const rate = await compare({ log, rounds, client, bare, served });
      return { ...rate, ...(await memory({ log, frames, client, served })) };
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

type Sides = { log: (line: string) => void; client: LoadClient; served: ServedModel };

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
