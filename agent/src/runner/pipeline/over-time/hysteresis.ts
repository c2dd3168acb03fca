import type { Hysteresis, ScoreOf } from '@flotilla/protocol/device';
import { z } from 'zod';
import { elementsOf, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Answering, Postprocess, Surroundings } from '../stages.js';
import { type Step, overTime } from './step.js';
import { isoOf } from './verdict.js';

/** `isSure`: a score has reached one of the two thresholds since the beginning. */
const State = z.object({ isOn: z.boolean(), since: z.number(), isSure: z.boolean() });
type State = z.infer<typeof State>;

export function openHysteresis(options: Hysteresis, around: Surroundings): Postprocess {
  checkScore(options.score, around);
  const { label, otherwise, onSwap } = options;
  return overTime(
    { key: 'hysteresis', onSwap, signature: { label, otherwise }, schema: State },
    around,
    (before, answering, at) => hysteresis(options, before, scoreOf(options.score, answering), at),
  );
}

export function hysteresis(
  { on, off, label, otherwise }: Pick<Hysteresis, 'on' | 'off' | 'label' | 'otherwise'>,
  before: State | undefined,
  score: number,
  at: number,
): Step<State> {
  const isOn = before?.isOn ? score >= off : score >= on;
  const changed = before?.isOn !== isOn;
  const since = changed ? at : before!.since;
  const isSure = (before?.isSure ?? false) || score >= on || score < off;
  const decision = { label: isOn ? label : otherwise, score, since: isoOf(since), changed };
  return { state: { isOn, since, isSure }, certain: isSure, found: { decision } };
}

function scoreOf(of: ScoreOf, answering: Answering): number {
  const { top = [], labels = [], boxes = [], anomaly } = answering.findings;
  if (of === 'anomaly') return anomaly?.score ?? 0;
  if ('label' in of)
    return Math.max(0, ...[...top, ...labels, ...boxes].filter(({ label }) => label === of.label).map(({ score }) => score));
  return numbersOf(outputOf(answering, of.output))[of.index]!;
}

function checkScore(of: ScoreOf, { outputs }: Surroundings): void {
  if (typeof of !== 'object' || !('index' in of)) return;
  const { name, shape } = outputs.find((candidate) => candidate.name === of.output) ?? outputs[0]!;
  const length = elementsOf(shape.filter((dimension) => dimension >= 0));
  if (of.index >= length) throw new Error(`hysteresis reads ${name} at ${of.index}, the output has ${length} values`);
}
