import type { PlanGate, StratumVerdict } from '@flotilla/protocol';
import type { GateEvidence } from './evidence.js';

type Gate<M extends PlanGate['metric']> = Extract<PlanGate, { metric: M }>;
type Figures = { text: string; value?: number; limit?: number };

/** What was measured, for people: '3 of 300 inferences failed (1.00 %), limit 2.00 %'. */
export function figuresInWords(gate: PlanGate, evidence: GateEvidence): Figures {
  const { windows, inferences, value, reference } = evidence;
  if (windows === 0) return { text: '' };
  switch (gate.metric) {
    case 'errors':
    case 'sheds': {
      const what = gate.metric === 'errors' ? 'inferences failed' : 'requests were shed';
      const text = `${value} of ${reference} ${what} (${percent(value / reference)}), limit ${percent(gate.max)}`;
      return { text, value: value / reference, limit: gate.max };
    }
    case 'restarts':
      return {
        text: `${value} restarts in ${windows} windows, limit ${percent(gate.max)}`,
        value: value / windows,
        limit: gate.max,
      };
    case 'compute.mean':
      return compute(gate, evidence);
    case 'wall.p95':
    case 'wall.p99': {
      const than =
        gate.maxMs === undefined ? `${gate.ratioToIncumbent} times the incumbent's ${gate.metric.slice(5)}` : ms(gate.maxMs);
      return {
        text: `${value} of ${inferences} inferences took longer than ${than} (${percent(value / inferences)})`,
        value: value / inferences,
      };
    }
    case 'feedback.rejected':
      return feedback(gate, evidence);
    case 'temperature':
      return {
        text: `at most ${celsius(value / windows)} on average${exceeded(celsius(gate.maxC), evidence)}`,
        value: value / windows,
        limit: gate.maxC,
      };
    case 'throttling': {
      const text = `held back for ${percent(value / reference)} of ${minutes(reference)}, limit ${percent(gate.max)}`;
      return { text, value: value / reference, limit: gate.max };
    }
    case 'memory':
      return {
        text: `${megabytes(value / windows)} on average${exceeded(gate.maxMb === undefined ? gate.ratioToIncumbent! : `${gate.maxMb} MB`, evidence)}`,
        value: value / windows,
      };
    case 'drift.input':
    case 'drift.output':
    case 'drift.score':
    case 'shadow.disagreement':
    case 'shadow.latency':
      return { text: '' };
  }
}

function compute({ maxMs, ratioToIncumbent }: Gate<'compute.mean'>, evidence: GateEvidence): Figures {
  const { inferences, value, reference } = evidence;
  const mean = value / inferences / 1000;
  if (maxMs !== undefined)
    return {
      text: `mean compute ${ms(mean)}${exceeded(ms(maxMs), evidence)}, ${inferences} inferences`,
      value: mean,
      limit: maxMs,
    };
  const against = `mean compute ${ms(mean)} against ${ms(reference / inferences / 1000)} on ${where(evidence)}`;
  const ratio = value / reference;
  const text = `${against}, ratio ${ratio.toFixed(2)}${exceeded(ratioToIncumbent!, evidence)}, ${inferences} inferences`;
  return { text, value: ratio, limit: ratioToIncumbent! };
}

function feedback({ max, ratioToIncumbent }: Gate<'feedback.rejected'>, evidence: GateEvidence): Figures {
  const { inferences, value, reference } = evidence;
  const text = `${value} of ${inferences} verdicts say wrong (${percent(value / inferences)})`;
  if (max !== undefined) return { text: `${text}, limit ${percent(max)}`, value: value / inferences, limit: max };
  const before = `${text} against ${percent(reference / inferences)} of the incumbent's on ${where(evidence)}`;
  // One that was never wrong is no divisor.
  const known = reference > 0 ? { value: value / reference } : {};
  const ratio = reference > 0 ? `, ratio ${(value / reference).toFixed(2)}` : '';
  return { text: `${before}${ratio}, limit ${ratioToIncumbent}`, ...known, limit: ratioToIncumbent! };
}

const where = ({ paired }: GateEvidence) => (paired === 1 ? 'the same device' : `the same ${paired} devices`);
const exceeded = (limit: string | number, { over, windows }: GateEvidence) =>
  `, limit ${limit} exceeded in ${over} of ${windows} windows`;

/** What not every board can tell, or every line says, and what that means. */
const silent: Partial<Record<PlanGate['metric'], string>> = {
  'feedback.rejected': 'nobody has said whether predictions were right: without feedback this gate never passes',
  temperature: 'no temperature was told: without a sensor this gate never passes',
  throttling: 'nothing tells whether the board was held back: without a sensor this gate never passes',
};

/** The verdict with what it rests on: 'evidence 37 of 100 needed'. */
export function evidenceInWords(
  gate: PlanGate,
  { verdict, windows, inferences, breach, pass }: StratumVerdict,
  figures: string,
): string {
  const said = figures === '' ? '' : `${figures}; `;
  switch (verdict) {
    case 'breach':
      return `${said}evidence against it ${ofNeeded(breach)}`;
    case 'pass':
      return `${said}evidence ${ofNeeded(pass)}`;
    case 'not-applicable':
      return gate.metric === 'feedback.rejected'
        ? 'no baseline: too few verdicts on an incumbent to compare with'
        : 'no baseline: no incumbent to compare with';
    case 'insufficient': {
      if (isFuture(gate)) return 'nothing measures it yet';
      const silence = windows === 0 && silent[gate.metric] ? `${silent[gate.metric]}; ` : '';
      const unit = gate.metric === 'feedback.rejected' ? 'verdicts' : 'inferences';
      const owed = inferences < gate.minInferences ? `${inferences} of ${gate.minInferences} ${unit} needed, ` : '';
      const against = breach.capital >= 2 ? `, against it ${capital(breach.capital)} of ${capital(breach.needed)}` : '';
      return `${said}${silence}${owed}evidence ${ofNeeded(pass)}${against}`;
    }
  }
}

const isFuture = ({ metric }: PlanGate) => metric.startsWith('drift.') || metric.startsWith('shadow.');
// Rounded down: what is shown as enough is enough.
const capital = (value: number) => String(value >= 10 ? Math.floor(value) : Math.floor(value * 10) / 10);
const ofNeeded = ({ capital: has, needed }: { capital: number; needed: number }) =>
  has >= 1e6 ? `over a million, ${capital(needed)} needed` : `${capital(has)} of ${capital(needed)} needed`;
const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const celsius = (value: number) => `${Number(value.toFixed(1))} °C`;
const minutes = (ms: number) => (ms < 90_000 ? `${(ms / 1000).toFixed(0)} s` : `${(ms / 60_000).toFixed(0)} min`);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;
