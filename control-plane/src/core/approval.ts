import type { RolloutPlan } from '@flotilla/protocol';
import { to, type Approval, type RolloutEvent, type StateOf, type Step } from './rollout-state.js';

type Asked = StateOf<'awaiting-approval'>;
type Word = Extract<RolloutEvent, { planHash: string }>;

/** Whether people have to say yes before this stage; before the first one that is the start. */
export const needsApproval = ({ approval, stages }: RolloutPlan, stage: number): boolean =>
  approval !== undefined && ((stage === 0 && approval.start) || approval.stages.includes(stages[stage]!.name));

export function ask(plan: RolloutPlan, stage: number, kept: Pick<Asked, 'submitted' | 'accepted'>): Step {
  const { submitted, accepted } = kept;
  return to({
    phase: 'awaiting-approval',
    stage,
    approvals: [],
    detail: waitingFor(plan, stage, 0),
    ...(submitted ? { submitted } : {}),
    ...(accepted ? { accepted } : {}),
  });
}

/** What an approval, or its withdrawal, makes of the ones there are; undefined: enough people have said yes. */
export function hear(plan: RolloutPlan, state: Asked, word: Word): Step | undefined {
  const { submitted } = state;
  if (word.planHash !== submitted?.planHash)
    return { refused: 'this is an approval of another plan: look at what it says now, and approve that' };
  if (word.type === 'reject')
    return to({ phase: 'rejected', detail: `rejected by ${word.by}${word.comment ? `: ${word.comment}` : ''}`, submitted });
  const others = state.approvals.filter(({ by }) => by !== word.by);
  if (word.type === 'withdraw-approval') return keep(plan, state, others);
  const { count, from = word.role } = plan.approval!;
  if (word.role !== from)
    return {
      refused: `${word.by} is ${word.role ?? 'nobody in particular'}: this plan asks for the word of somebody who is ${from}`,
    };
  if (word.by === submitted.author) return { refused: `${word.by} made this plan: somebody else has to approve it` };
  const approvals = [...others, { by: word.by, at: word.at, ...(word.comment ? { comment: word.comment } : {}) }];
  return approvals.length >= count ? undefined : keep(plan, state, approvals);
}

const keep = (plan: RolloutPlan, state: Asked, approvals: readonly Approval[]): Step =>
  to({ ...state, approvals, detail: waitingFor(plan, state.stage, approvals.length) });

const waitingFor = ({ approval, stages }: RolloutPlan, stage: number, have: number) =>
  `${have} of ${approval!.count} approvals before ${stage === 0 ? 'it starts' : `stage "${stages[stage]!.name}"`}`;
