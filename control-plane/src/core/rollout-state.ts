import type { PauseReason } from '@flotilla/protocol';
import type { Counts } from './counts.js';
import type { Strata } from './gate.js';
import type { Budgets, PaceFrom } from './pace.js';

/** Milliseconds since 1970; time comes in events, the reducer has no clock. */
export type Time = number;

/** What somebody chose to live with, by a recorded reason: so many failed devices of each stage, gates ('0/errors'), a thin coverage. */
export type Accepted = Readonly<{
  failed: readonly number[];
  place: readonly number[];
  metrics: readonly string[];
  coverage: boolean;
}>;

/** A stage under way: `activating` until enough devices decided, then `soaking`, then `analysing` until the gates have their evidence. */
export type StageProgress = Readonly<{
  stage: number;
  stagePhase: 'activating' | 'soaking' | 'analysing';
  openedAt: Time;
  soakingSince?: Time;
  analysingSince?: Time;
  pace?: PaceFrom;
  /** Since when none of its devices may move, and why: so long its deadline does not run. */
  held?: Readonly<{ since: Time; why: string }>;
  accepted?: Accepted;
}>;

/** `to`: the release that all go back to, where it isn't what each ran before. `toldAt`: when a device was last told to, where there is a pace. */
type Return = Readonly<{ stage: number; since: Time; detail: string; to?: string; toldAt?: Time }>;

/** `withdrawing`: devices may be left that were offered the release, do not run it yet, and have not been told to keep what they have. */
type Ended = Readonly<{ detail: string; withdrawing?: true }>;

export type Approval = Readonly<{ by: string; at: Time; comment?: string | undefined }>;
/** `planHash`: what is approved; `author` may not approve it. */
type Submitted = Readonly<{ planHash: string; author: string }>;

export type RolloutState = Readonly<{ submitted?: Submitted }> &
  (
    | { phase: 'draft' }
    | { phase: 'awaiting-approval'; stage: number; approvals: readonly Approval[]; accepted?: Accepted; detail: string }
    | { phase: 'scheduled'; startAt: Time; detail?: string }
    | ({ phase: 'running' } & StageProgress)
    | ({ phase: 'paused'; reason: PauseReason; detail: string; toAccept?: Accepted } & StageProgress)
    | ({ phase: 'rolling-back' } & Return)
    | ({ phase: 'rolled-back' | 'rollback-incomplete' } & Return)
    | { phase: 'completed'; detail: string; accepted?: Accepted }
    | { phase: 'rejected'; detail: string }
    | ({ phase: 'cancelled' | 'superseded' | 'killed' } & Ended)
  );

/** Counts of one stage, and for each of its gates, in their order, the evidence by hardware class. */
export type StageObservation = Readonly<{ counts: Counts; gates: readonly Strata[] }>;
/** What a check outside said last of a stage; `times`: how often in a row. `at`: when it was asked. */
export type Answer = Readonly<{
  stage: number;
  name: string;
  verdict: 'pass' | 'fail' | 'wait' | 'error';
  detail: string;
  times: number;
  at: Time;
}>;
/**
 * Devices of a rollout that is taken back: those that still hold its release and were not told, and of those that were told, the
 * ones that may still be under way (not the ones that are silent for too long, or no slow device could be passed), and the ones
 * that failed on what they go back to. `told`: all of these and those that are back.
 */
export type Returns = Readonly<{ held: number; inFlight: number; failed: number; told: number }>;
/**
 * One look at the rollout, read in one transaction. `rollingBack`: devices that were told to return and have not yet.
 * `alarms`: how many tests could raise a false alarm over the whole rollout, fixed when it was made.
 */
export type Observation = Readonly<{
  stages: readonly StageObservation[];
  rollingBack: number;
  /** While it is taken back. */
  returns?: Returns;
  alarms: number;
  /** While it withdraws: such devices are left. */
  unwithdrawn?: boolean;
  held?: Held;
  budgets?: Budgets;
  /** What checks outside said last. */
  answers?: readonly Answer[];
  /** The rollouts that have to be complete first, as they are. */
  after?: readonly Readonly<{ name: string; phase: string }>[];
}>;
/** Of the stage under way: devices that may not be offered the release now, and offered ones that may not begin to run it. */
export type Held = Readonly<{ waiting: number; open: number; why: string }>;

export type RolloutEvent =
  | { type: 'start'; at: Time; planHash?: string; author?: string }
  | {
      type: 'approve' | 'withdraw-approval' | 'reject';
      at: Time;
      by: string;
      role?: string;
      planHash: string;
      comment?: string | undefined;
    }
  | { type: 'pause'; at: Time; reason: PauseReason; detail: string }
  | { type: 'resume'; at: Time; accepting?: string | undefined }
  /** What ended by itself ends its pause by itself: a window opened, a source of metrics is back. */
  | { type: 'release'; at: Time; reason: 'window' | 'metrics' }
  | { type: 'retry'; at: Time }
  | { type: 'cancel'; at: Time }
  | { type: 'supersede'; at: Time; detail: string }
  /** Its release was blocked on every device. */
  | { type: 'kill'; at: Time; detail: string }
  | { type: 'roll-back'; at: Time; detail: string; to?: string | undefined }
  /** It was complete, and devices have come late: new ones, or ones that were offline. */
  | { type: 'reopen'; at: Time; detail: string }
  | { type: 'observed'; at: Time; observation: Observation };

/**
 * Effects name sets of devices ('the devices of stage 2'); one SQL statement moves them. `most` absent: all that wait; `each`: of
 * the devices with one value of the label that maxUnavailable names, at most so many. `hold`, `let-go` and `withdraw` mean devices
 * that were offered the release and do not run it yet.
 */
export type RolloutEffect =
  | { type: 'offer-stage'; stage: number; most?: number; each?: Readonly<Record<string, number>> }
  | { type: 'hold' | 'let-go' }
  | { type: 'withdraw' }
  | { type: 'retry-failed'; upTo: number }
  /** `most` absent: all that hold the release; `to` absent: each to what it ran before. */
  | { type: 'roll-back'; most?: number; to?: string };
export type Step = { state: RolloutState; effects: RolloutEffect[] } | { refused: string };
export type StateOf<P extends RolloutState['phase']> = Extract<RolloutState, { phase: P }>;

export const to = (state: RolloutState, ...effects: RolloutEffect[]): Step => ({ state, effects });
export const refuse = (state: RolloutState, event: RolloutEvent): Step => ({
  refused: `cannot ${event.type} a rollout that is ${state.phase}`,
});
/** Whose plan it is goes along from state to state. */
export const submittedOf = ({ submitted }: RolloutState) => (submitted ? { submitted } : {});
