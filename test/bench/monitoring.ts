import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BaselineWatch } from '@flotilla/agent/runner/monitor/baseline-watch';
import { Monitor } from '@flotilla/agent/runner/monitor/monitor';
import { Outbox } from '@flotilla/agent/supervisor/outbox';
import { BootId, type Baseline, type InferenceWindow, sha256, type Vitals } from '@flotilla/protocol';
import { LoadClient, unfailing } from './load.js';
import type { Bench } from './figure.js';
import { blazeface, blazefaceSteps, bytesOf } from './models.js';
import { unmonitored } from './monitored-runner-main.js';
import { outboxWrites } from './outbox-writes.js';
import { rssMb, spentBetween, threadCpuUs } from './process-use.js';
import { benchSlot, deployment, serveModel, type ServedModel } from './served-model.js';
import { type Estimate, estimate } from './statistics.js';

const program = fileURLToPath(new URL('monitored-runner-main.js', import.meta.url));
const roundMs = 250;
const warmUpMs = 1500;
/** Ten times as often as a device cuts its windows. */
const windowS = 1;
/** As many as come in ten seconds. */
const perWindow = 7000;

/** What comes to a release with everything that a window can hold. */
const baseline: Baseline = {
  v: 1,
  inferences: 1,
  inputs: (['mean', 'deviation', 'detail', 'extreme', 'missing'] as const).map((statistic) => ({
    input: blazeface.inputs[0]!.name,
    statistic,
    edges: Array.from({ length: 11 }, (_, i) => i / 10),
    counts: Array.from({ length: 12 }, () => 0),
  })),
  score: { edges: [0.5, 0.8, 0.9], counts: [0, 0, 0, 0] },
  classes: {},
  otherClasses: 0,
};

type Side = { served: ServedModel; client: LoadClient; last?: InferenceWindow };
type Sides = Record<'on' | 'off', Side>;
type Round = Record<keyof Sides, { perSecond: number; mainUs: number }>;

/** The same runner with and without its monitor, in turn. The windows go into a real outbox. */
export const monitoring: Bench = {
  about: 'what counting, windows and the outbox cost of the throughput of a 1.3 ms model [--rounds N]',
  async run(log, flags) {
    const rounds = flags.count('rounds', 60);
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
    const outbox = anOutbox(folder, log);
    const sides = { on: await begin(log, outbox), off: await begin(log) };
    try {
      for (const { client } of Object.values(sides)) await client.closedLoop(2, warmUpMs);
      const measured: Round[] = [];
      for (let i = 0; i < rounds; i++) measured.push(await round(sides, i % 2 === 1));
      const rss = { on: await rssMb(sides.on.served.pid), off: await rssMb(sides.off.served.pid) };
      await outbox.flush();
      log(`${rounds} rounds; the runner holds ${rss.on.toFixed(0)} MB, unmonitored ${rss.off.toFixed(0)} MB`);
      log(`${outbox.state.records} windows in the outbox, ${(outbox.state.bytes / outbox.state.records).toFixed(0)} bytes each`);
      const record = JSON.stringify(sides.on.last);
      return {
        throughput_ratio: { ...figure(measured, ({ on, off }) => on.perSecond / off.perSecond), unit: 'ratio', reach: '>= 0.97' },
        main_thread_added_us: { ...figure(measured, ({ on, off }) => on.mainUs - off.mainUs), unit: 'us' },
        counting_us: { ...figureOf(estimate(countingUs())), unit: 'us', reach: '<= 39' },
        added_rss_mb: { value: rss.on - rss.off, unit: 'MB', reach: '<= 15' },
        ...(await outboxWrites([record, JSON.stringify(vitals)], log)),
      };
    } finally {
      for (const { client, served } of Object.values(sides)) await Promise.all([client.end(), served.end()]);
      await outbox.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** Processor time of counting one inference, nothing else: what a busy machine does not blur. Of 1.3 ms, 39 µs are 3 %. */
function countingUs(): number[] {
  const { name, type } = blazeface.inputs[0]!;
  const shape = blazeface.inputs[0]!.shape;
  const inputs = [{ name, type, shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, Math.random) }];
  const served = { slot: benchSlot, deployment, digest: sha256('bench'), variant: 'model.onnx' };
  const monitor = new Monitor(served, undefined, new BaselineWatch(baseline, { inputs: blazeface.inputs }));
  return Array.from({ length: 20 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < perWindow; i++) {
      const looked = monitor.look(inputs);
      const timing = { cpuUs: 1300, queueUs: i % 100, computeUs: 1300 + (i % 200), totalUs: 1600 + (i % 300) };
      monitor.succeeded(timing, { label: 'face', score: 0.9 }, 1, looked);
      monitor.executed(1, 1300);
    }
    monitor.cut(1);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / perWindow;
  });
}

const figure = (measured: readonly Round[], of: (round: Round) => number) => figureOf(estimate(measured.map(of)));
const figureOf = ({ median, interval }: Estimate) => ({ value: median, interval });

function anOutbox(folder: string, log: (line: string) => void): Outbox {
  return new Outbox({
    file: join(folder, 'outbox.db'),
    thumbprint: 'bench',
    limits: { maxBytes: 64 * 2 ** 20, maxAgeS: 1e6 },
    unwrittenS: 30,
    onAlarm: ({ message }) => log(message),
    onDeath: (error) => log(error.message),
  });
}

const boot = BootId.parse(deployment);
const vitals: Vitals = {
  type: 'vitals',
  boot,
  start: 100.123,
  end: 110.125,
  cpu: 0.4375,
  memoryUsedBytes: 2_147_483_648,
  memoryTotalBytes: 8_589_934_592,
  supervisorRssBytes: 104_857_600,
  runnerRssBytes: 157_286_400,
  temperatureC: 51.5,
  throttled: false,
  powerW: 6.25,
  outboxRecords: 12,
  outboxBytes: 9000,
  outboxDropped: 0,
};

async function begin(log: (line: string) => void, outbox?: Outbox): Promise<Side> {
  const side = {} as Side;
  const keep = (window: Omit<InferenceWindow, 'boot' | 'start' | 'end'>) => {
    const end = Math.round(performance.now()) / 1000;
    side.last = { ...window, boot, start: end - windowS, end };
    outbox?.append(side.last);
  };
  const served = await serveModel(
    blazeface,
    log,
    { ...blazefaceSteps, baseline: 'baseline.json' },
    {
      path: program,
      env: outbox ? {} : { [unmonitored]: '1' },
      files: { 'baseline.json': JSON.stringify(baseline) },
      // An hour is never over.
      windowS: outbox ? windowS : 3600,
      onWindow: keep,
    },
  );
  const call = { slot: benchSlot, inputs: blazeface.inputs, outputBytes: bytesOf(blazeface.outputs) };
  Object.assign(side, { served, client: await LoadClient.connected('rest', served.targets.rest, call, 2) });
  return side;
}

async function round(sides: Sides, backwards: boolean): Promise<Round> {
  const found = { on: { perSecond: 0, mainUs: 0 }, off: { perSecond: 0, mainUs: 0 } };
  const order = ['on', 'off'] as const;
  for (const side of backwards ? order.toReversed() : order) {
    const { served, client } = sides[side];
    const before = await threadCpuUs(served.pid);
    const result = await client.closedLoop(2, roundMs);
    const { main } = spentBetween(served.pid, before, await threadCpuUs(served.pid));
    found[side] = { perSecond: unfailing(result).perSecond, mainUs: main / result.timesMs.length };
  }
  return found;
}
