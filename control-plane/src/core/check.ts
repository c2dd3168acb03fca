import type { PlanCheck, RolloutPlan } from '@flotilla/protocol';
import type { Answer, Observation, StageProgress } from './rollout-state.js';

type Said = Readonly<{ key: string; evidence: string }>;

/** Where the name of a gate stands in what somebody accepted. */
const keyOf = (stage: number, name: string) => `${stage}/check ${name}`;

function answersTo(plan: RolloutPlan, { stage, openedAt, accepted }: StageProgress, { answers = [] }: Observation) {
  return (plan.checks ?? [])
    .filter(({ name, dryRun }) => !dryRun && !accepted?.metrics.includes(keyOf(stage, name)))
    .map((check) => {
      // Before a pause is before: what was said then is asked again.
      const last = answers.find((answer) => answer.stage === stage && answer.name === check.name && answer.at >= openedAt);
      return { check, last, key: keyOf(stage, check.name), evidence: inWords(check, last) };
    });
}

/** Checks that have said no more often in a row than the plan bears. */
export const refusals = (plan: RolloutPlan, progress: StageProgress, observation: Observation): Said[] =>
  answersTo(plan, progress, observation).filter(({ check, last }) => last?.verdict === 'fail' && last.times > check.failureLimit);

/** Checks that have not answered more often in a row than the plan bears. */
export const unanswered = (plan: RolloutPlan, progress: StageProgress, observation: Observation): Said[] =>
  answersTo(plan, progress, observation).filter(({ check, last }) => last?.verdict === 'error' && last.times > check.errorLimit);

/** Checks that have not said yes since the stage has soaked. */
export const owed = (plan: RolloutPlan, progress: StageProgress, observation: Observation): Said[] =>
  answersTo(plan, progress, observation).filter(({ last }) => !(last?.verdict === 'pass' && last.at >= progress.analysingSince!));

const inWords = ({ type, name }: PlanCheck, last: Answer | undefined): string => {
  if (!last) return `${type} "${name}" has not been asked yet`;
  const often = last.times > 1 ? `, ${last.times} times in a row` : '';
  const said = { pass: 'says yes', fail: 'says no', wait: 'is not sure yet', error: 'gives no answer' }[last.verdict];
  return `${type} "${name}" ${said}${often}${last.detail === '' ? '' : `: ${last.detail}`}`;
};
