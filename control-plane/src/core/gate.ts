import type { GateVerdict, PlanEvidence, PlanGate, StratumVerdict } from '@flotilla/protocol';
import { isRelative } from './baseline.js';
import { logCapital } from './betting.js';
import { addEvidence, noEvidence, type GateEvidence } from './evidence.js';
import { evidenceInWords, figuresInWords } from './gate-words.js';

/** Evidence of one gate by hardware class. */
export type Strata = Readonly<Record<string, GateEvidence>>;
/** How large a capital must have grown to say something. */
export type Odds = Readonly<{ breach: number; pass: number }>;

/** The false alarms that a plan allows are shared out evenly: any gate, in any class, in any stage might raise one. */
export const oddsOf = (evidence: PlanEvidence, alarms: number): Odds => ({
  breach: Math.max(1, alarms) / evidence.falseAlarm,
  pass: 1 / evidence.pass,
});

/** A gate that compares with the incumbent says nothing where there is none, so every plan needs one that does not. */
export const isAbsolute = (gate: PlanGate) => !isRelative(gate) && !gate.dryRun;

/** One verdict over all hardware classes: any may breach it, none may be left without an answer. */
export function judgeGate(gate: PlanGate, strata: Strata, odds: Odds): GateVerdict {
  const judged = Object.entries(strata).map(([name, evidence]) => judgeStratum(gate, name, evidence, odds));
  const deciding =
    (['breach', 'insufficient', 'pass'] as const).flatMap((verdict) => judged.filter((s) => s.verdict === verdict))[0] ??
    judged[0] ??
    judgeStratum(gate, '', noEvidence, odds);
  const whole = deciding.verdict === 'pass' ? Object.values(strata).reduce(addEvidence, noEvidence) : undefined;
  const figures = figuresInWords(gate, whole ?? strata[deciding.hardwareClass] ?? noEvidence);
  const where = judged.length > 1 && !whole ? `on ${deciding.hardwareClass}: ` : '';
  return {
    metric: gate.metric,
    verdict: deciding.verdict,
    evidence: where + evidenceInWords(gate, deciding, figures.text),
    inferences: judged.reduce((sum, s) => sum + s.inferences, 0),
    ...(figures.value === undefined ? {} : { value: figures.value }),
    ...(figures.limit === undefined ? {} : { limit: figures.limit }),
    ...(gate.dryRun ? { dryRun: true } : {}),
    strata: judged,
  };
}

function judgeStratum(gate: PlanGate, hardwareClass: string, evidence: GateEvidence, odds: Odds): StratumVerdict {
  const { windows, inferences } = evidence;
  const [breach, pass] = [logCapital(evidence.breach), logCapital(evidence.pass)];
  return {
    hardwareClass,
    verdict: verdictOf(gate, evidence, breach, pass, odds),
    windows,
    inferences,
    breach: { capital: shown(breach), needed: odds.breach },
    pass: { capital: shown(pass), needed: odds.pass },
  };
}

function verdictOf(gate: PlanGate, evidence: GateEvidence, breach: number, pass: number, odds: Odds): GateVerdict['verdict'] {
  if (breach >= Math.log(odds.breach)) return 'breach';
  if (evidence.devices > 0 && evidence.paired === 0) return 'not-applicable';
  if (evidence.inferences < gate.minInferences || pass < Math.log(odds.pass)) return 'insufficient';
  return 'pass';
}

/** JSON knows no infinity, and nobody reads on after a billion. */
const shown = (log: number) => Math.min(1e9, Math.exp(log));
