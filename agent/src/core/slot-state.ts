import type { Activate, DeploymentId, Digest, FailureClass, Probation, UpdateState } from '@flotilla/protocol/device';
import type { Death } from './death.js';

/** What the desired state asks of a slot. */
export type Target = Readonly<{
  deployment: DeploymentId;
  digest: Digest;
  release: string;
  probation: Probation;
  activate?: Activate | undefined;
}>;
/** A release that proved itself here. */
export type Committed = Readonly<{ deployment: DeploymentId; digest: Digest; release: string; variant: string }>;

/** `interruptions`: power cuts; `signalDeaths`: deaths on probation by an outside signal. */
export type Attempt = Readonly<{ target: Target; run: number; interruptions: number; signalDeaths: number }>;
export type Failed = Readonly<{ target: Target; failure: FailureClass; reason: string; variant?: string | undefined }>;

export type UnderWay =
  | (Attempt & Readonly<{ state: 'offered' }>)
  | (Attempt &
      Readonly<{
        state: 'resolved' | 'downloading' | 'waiting' | 'verified' | 'preflight' | 'compiling';
        variants: readonly string[];
      }>)
  /** Proven, and not yet allowed to take over: told as `staged`. */
  | (Attempt & Readonly<{ state: 'held'; variant: string; note?: string | undefined }>)
  | (Attempt & Readonly<{ state: 'staged'; variant: string }>)
  | (Attempt & Readonly<{ state: 'probation'; variant: string; since: number }>);
export type Done = Readonly<{ state: 'committed' | 'committed-unproven'; target: Target; variant: string }>;
export type Fallen = Failed & Readonly<{ state: 'failed' | 'rejected' | 'rolling-back' | 'rolled-back' }>;
export type Update = Readonly<{ state: 'idle' }> | UnderWay | Done | Fallen;

/** The runner of the committed release. `steady`: it has proven itself since it was started. `safe`: down, tried again slowly. */
export type Serving = Readonly<{
  run: number;
  since?: number | undefined;
  deaths: readonly number[];
  steady: boolean;
  safe: boolean;
}>;

/** Times are seconds of one clock that never goes back while the supervisor runs. */
export type SlotState = Readonly<{
  /** The last number given to an attempt or a runner: an event with another number than the one waited for comes late. */
  runs: number;
  committed?: Committed | undefined;
  /** Committed before that: returned to when the committed one crashes again and again. */
  previous?: Committed | undefined;
  serving: Serving;
  update: Update;
  /** Releases that were taken away from this slot. */
  blocked?: readonly Blocked[] | undefined;
  /** Why it stands still since its release was blocked. */
  halted?: string | undefined;
}>;
export type Blocked = Readonly<{ digest: Digest; reason: string }>;

export type CandidateEvent = Readonly<{ run: number }> &
  (
    | Readonly<{ type: 'resolved'; variants: readonly string[] }>
    | Readonly<{ type: 'rejected' | 'failed' | 'swap-failed'; failure: FailureClass; reason: string }>
    | Readonly<{ type: 'downloading' | 'downloaded' | 'preflighting' | 'allowed' }>
    | Readonly<{ type: 'waiting' | 'compiling'; reason: string }>
    /** `note`: what an operator should know of a step that went well. */
    | Readonly<{ type: 'preflighted'; variant: string; note?: string | undefined }>
    | Readonly<{ type: 'activated'; at: number; note?: string | undefined }>
  );
export type Heartbeat = Readonly<{
  type: 'heartbeat';
  run: number;
  at: number;
  ok: number;
  errors: number;
  consecutiveErrors: number;
}>;
export type Died = Readonly<{ type: 'died'; run: number; at: number; death: Death }>;
export type Served = Readonly<{ type: 'served'; run: number; at: number; note?: string | undefined }>;
export type SlotEvent =
  /** `boots`: how often the supervisor started since the slot was last steady, this start included. */
  | Readonly<{ type: 'booted'; boots: number }>
  | Readonly<{ type: 'shutdown' | 'stopped' }>
  /** Absent: the desired state does not name the slot. */
  | Readonly<{ type: 'desired'; target?: Target | undefined; blocked?: readonly Blocked[] }>
  | CandidateEvent
  | Heartbeat
  | Died
  | Served;

export type Report = Readonly<{
  type: 'report';
  deployment: DeploymentId;
  digest: Digest;
  state: UpdateState;
  failure?: FailureClass | undefined;
  reason?: string | undefined;
  variant?: string | undefined;
  committed?: Digest | undefined;
}>;
/** Seconds until the next try, at random between the two. `why`: what a client is told meanwhile. */
export type Wait = Readonly<{ minS: number; maxS: number; why?: string }>;
/** Every effect may run twice. `serve` brings the committed release up, whatever serves now; it starts within `wait`. */
export type SlotEffect =
  | Readonly<{ type: 'resolve'; run: number; target: Target }>
  | Readonly<{ type: 'download' | 'preflight'; run: number; target: Target; variants: readonly string[] }>
  /** Answered by `allowed` when the target's time has come. */
  | Readonly<{ type: 'await-activation'; run: number; target: Target }>
  | Readonly<{ type: 'activate'; run: number; target: Target; variant: string }>
  | Readonly<{ type: 'serve'; run: number; release: Committed; wait: Wait }>
  | Readonly<{ type: 'cancel' | 'clear-boots' | 'collect' }>
  /** `why`: what clients are told from then on. */
  | Readonly<{ type: 'stop-runner'; why?: string }>
  | Readonly<{ type: 'alarm'; name: string; message: string }>
  | Report;
export type Step = { state: SlotState; effects: readonly SlotEffect[] } | { refused: string };

export const freshSlot: SlotState = {
  runs: 0,
  serving: { run: 0, deaths: [], steady: false, safe: false },
  update: { state: 'idle' },
};
/** A slot of which only the last committed release is known. */
export const recoveredSlot = (committed: Committed): SlotState => {
  const { variant, ...release } = committed;
  const target = { ...release, probation: { inferences: 20, timeoutS: 300 } };
  return { ...freshSlot, committed, update: { state: 'committed', target, variant } };
};

/** Held is a word of ours: whoever is told hears that it is staged, and why it waits. */
export const asTold = (state: Update['state']): UpdateState => (state === 'held' ? 'staged' : state);
