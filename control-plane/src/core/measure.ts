import { sketchLayout, type PlanGate, type Sketch } from '@flotilla/protocol';
import { limitOn, type Baseline } from './baseline.js';
import type { Sample } from './sample.js';

/** A window as a fraction in [0, 1] for one gate, with the figures that people read. */
type Measured = Readonly<{ x: number; inferences: number; value: number; reference: number }>;

/** Undefined: the window says nothing to this gate, for lack of an incumbent, of inferences, or of the figure itself. */
export function measure(gate: PlanGate, key: string, sample: Sample, baseline: Baseline | undefined): Measured | undefined {
  const { ok, errors, sheds } = sample;
  switch (gate.metric) {
    case 'errors':
      return share(errors, ok + errors);
    case 'sheds':
      return share(sheds, ok + errors + sheds);
    case 'restarts':
      return { x: sample.restarts ? 1 : 0, inferences: ok + errors, value: sample.restarts ?? 0, reference: 1 };
    case 'compute.mean':
      return computeTime(sample, limitOn(gate, baseline), baseline);
    case 'wall.p95':
    case 'wall.p99':
      return wallTime(sample, key, limitOn(gate, baseline));
    case 'memory':
      return memory(sample, limitOn(gate, baseline), baseline);
    case 'feedback.rejected':
      return feedback(sample, limitOn(gate, baseline), gate.max === undefined ? baseline : undefined);
    case 'temperature':
      return temperature(sample, gate.maxC);
    case 'throttling':
      return throttling(sample);
    case 'drift.input':
    case 'drift.output':
    case 'drift.score':
    case 'shadow.disagreement':
    case 'shadow.latency':
      return undefined;
  }
}

const share = (part: number, all: number): Measured | undefined =>
  all === 0 ? undefined : { x: part / all, inferences: all, value: part, reference: all };

function computeTime(
  { ok, computeCpuUs }: Sample,
  limitUs: number | undefined,
  baseline: Baseline | undefined,
): Measured | undefined {
  if (ok === 0 || limitUs === undefined) return undefined;
  // Weighted by the candidate's inferences on each device, so that every device is its own control in the words, too.
  const reference = ok * (baseline?.computeMeanUs ?? 0);
  return { x: computeCpuUs / ok > limitUs ? 1 : 0, inferences: ok, value: computeCpuUs, reference };
}

function wallTime({ ok, slow, total }: Sample, key: string, limitUs: number | undefined): Measured | undefined {
  if (ok === 0 || limitUs === undefined) return undefined;
  const over = Math.min(ok, slow[key] ?? countAbove(total, limitUs));
  return { x: over / ok, inferences: ok, value: over, reference: ok };
}

function memory({ ok, rssBytes }: Sample, limit: number | undefined, baseline: Baseline | undefined): Measured | undefined {
  if (rssBytes === undefined || limit === undefined) return undefined;
  return { x: rssBytes > limit ? 1 : 0, inferences: ok, value: rssBytes, reference: baseline?.rssP95Bytes ?? 0 };
}

/** `incumbent`: whose verdicts these are set against. */
function feedback({ verdicts }: Sample, limit: number | undefined, incumbent: Baseline | undefined): Measured | undefined {
  if (!verdicts || limit === undefined) return undefined;
  const { given, wrong } = verdicts;
  const before = incumbent?.verdicts;
  return { x: wrong / given, inferences: given, value: wrong, reference: before ? (given * before.wrong) / before.given : given };
}

const temperature = ({ ok, errors, temperatureMaxC }: Sample, limit: number): Measured | undefined =>
  temperatureMaxC === undefined
    ? undefined
    : { x: temperatureMaxC > limit ? 1 : 0, inferences: ok + errors, value: temperatureMaxC, reference: limit };

const throttling = ({ ok, errors, throttled }: Sample): Measured | undefined =>
  throttled && { x: throttled.ms / throttled.ofMs, inferences: ok + errors, value: throttled.ms, reference: throttled.ofMs };

/** For windows that were cut before the device knew the limit: bins whose middle is above it, right to 2.5 %. */
function countAbove({ first, counts }: Sketch, limitUs: number): number {
  const middle = (bin: number) => sketchLayout.minUs * sketchLayout.gamma ** (bin + 0.5);
  return counts.reduce((sum, count, i) => (middle(first + i) > limitUs ? sum + count : sum), 0);
}
