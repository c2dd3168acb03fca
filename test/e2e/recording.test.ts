import { existsSync, renameSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { follow } from '@flotilla/agent/fixtures/event-stream';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { FleetOfOne, inspection } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { publishFolder } from '@flotilla/agent/supervisor/fixtures/shipped-releases';
import { SlotPipeline } from '@flotilla/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { agentFile } from '../support/agent-files.js';
import { describeWith } from '../support/required.js';

const example = agentFile('examples/presence-detector');
const video = join(example, 'input/faces.mjpeg');
const runnerPath = agentFile('dist/runner/main.js');
const frames = 48;
const limits = { maxComputeMs: 60_000, maxRssBytes: 600e6 };
const Seen = z.object({ capturedAt: z.string(), source: z.string(), top: z.unknown(), boxes: z.array(z.unknown()) });
type Seen = z.output<typeof Seen>;

let folder: string;
let device: FleetOfOne | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flotilla-recording-'));
});
afterEach(async () => {
  await device?.end();
  device = undefined;
  await rm(folder, { recursive: true, force: true });
});

const kept = () => join(folder, 'kept');
const slots = (written: z.input<typeof SlotPipeline>) => ({
  [inspection]: { listen: { http: { host: '127.0.0.1', port: 0 } }, ...SlotPipeline.parse(written) },
});

/** All results of the source, from the first to its end. */
async function resultsOf({ gatewayUrl }: FleetOfOne, begin: () => unknown): Promise<Seen[]> {
  const slot = `${gatewayUrl}/v1/slots/${inspection}`;
  await eventually(
    () =>
      fetch(slot).then(
        ({ ok }) => ok,
        () => false,
      ),
    60_000,
  );
  const reader = await follow(`${slot}/results/stream`);
  await begin();
  const View = z.object({ source: z.object({ reason: z.string().optional() }), frames: z.object({ inferred: z.number() }) });
  const { inferred } = (await eventually(async () => {
    const view = View.parse(await (await fetch(slot)).json());
    return view.source.reason?.includes('is through') ? view.frames : undefined;
  }, 90_000))!;
  await eventually(() => reader.predictions().length >= inferred);
  return reader.predictions().map(({ data }) => Seen.parse(JSON.parse(data!)));
}

async function recordAndReplay(source: object, ending: string): Promise<void> {
  const first = slots({ source: { ...source, pace: 'every' } as never, record: { folder: kept(), maxMb: 200 } });
  device = await FleetOfOne.make({ runnerPath, slots: first, limits, deadlines: {} });
  const digest = publishFolder(device.server, example);
  const seen = await resultsOf(device, () => device!.assign(digest, { inferences: 1, timeoutS: 60 }));
  expect(seen).toHaveLength(frames);
  expect(seen.filter(({ boxes }) => boxes.length > 0).length).toBeGreaterThan(frames / 4);

  await device.restart(() => {
    device!.overrides.slots = slots({ source: { recording: kept(), pace: 'every' } });
    // It is there again when somebody follows it.
    renameSync(kept(), join(folder, 'aside'));
  });
  const again = await resultsOf(device, () => rename(join(folder, 'aside'), kept()));
  const index = (await readFile(join(kept(), 'index.jsonl'), 'utf8')).trim().split('\n');
  expect(again).toHaveLength(index.length);
  expect(index.every((line) => line.includes(ending))).toBe(true);
  // Each is known by when it was first taken.
  const before = new Map(seen.map(({ capturedAt, top, boxes }) => [capturedAt, { top, boxes }]));
  expect(again.map(({ top, boxes }) => ({ top, boxes }))).toEqual(again.map((each) => before.get(each.source)));
}

// Runner and gateway are built by `npm test` before anything is run.
describe.skipIf(!existsSync(runnerPath))('what a device records', () => {
  it('as JPEGs, it sees again as it saw it', () => recordAndReplay({ video }, '.jpg'), 180_000);
});
describeWith('ffmpeg', 'what a device records', () => {
  it('as raw frames, it sees again as it saw it', () => recordAndReplay({ video, width: 320 }, '.ppm'), 180_000);
});
