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
  const { inferences, value, reference, paired } = evidence;
  const mean = value / inferences / 1000;
  if (maxMs !== undefined)
    return {
      text: `mean compute ${ms(mean)}${exceeded(ms(maxMs), evidence)}, ${inferences} inferences`,
      value: mean,
      limit: maxMs,
    };
  const where = paired === 1 ? 'the same device' : `the same ${paired} devices`;
  const against = `mean compute ${ms(mean)} against ${ms(reference / inferences / 1000)} on ${where}`;
  const ratio = value / reference;
  const text = `${against}, ratio ${ratio.toFixed(2)}${exceeded(ratioToIncumbent!, evidence)}, ${inferences} inferences`;
  return { text, value: ratio, limit: ratioToIncumbent! };
}

const exceeded = (limit: string | number, { over, windows }: GateEvidence) =>
  `, limit ${limit} exceeded in ${over} of ${windows} windows`;

/** The verdict with what it rests on: 'evidence 37 of 100 needed'. */
export function evidenceInWords(gate: PlanGate, { verdict, inferences, breach, pass }: StratumVerdict, figures: string): string {
  const said = figures === '' ? '' : `${figures}; `;
  switch (verdict) {
    case 'breach':
      return `${said}evidence against it ${capital(breach.capital)} of ${capital(breach.needed)} needed`;
    case 'pass':
      return `${said}evidence ${capital(pass.capital)} of ${capital(pass.needed)} needed`;
    case 'not-applicable':
      return 'no baseline: no incumbent to compare with';
    case 'insufficient': {
      if (isFuture(gate)) return 'nothing measures it yet';
      const owed = inferences < gate.minInferences ? `${inferences} of ${gate.minInferences} inferences needed, ` : '';
      const against = breach.capital >= 2 ? `, against it ${capital(breach.capital)} of ${capital(breach.needed)}` : '';
      return `${said}${owed}evidence ${capital(pass.capital)} of ${capital(pass.needed)} needed${against}`;
    }
  }
}

const isFuture = ({ metric }: PlanGate) => metric.startsWith('drift.') || metric.startsWith('shadow.');
// Rounded down: what is shown as enough is enough.
const capital = (value: number) =>
  value >= 1e6 ? 'over a million' : String(value >= 10 ? Math.floor(value) : Math.floor(value * 10) / 10);
const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const percent = (value: number) => `${(value * 100).toFixed(2)} %`;
