import type { DeviceId, FailureClass, InferenceWindow, UpdateEvent } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { targetStateOf } from '../core/target.js';
import type { TargetState } from './rollout.entity.js';
import { WindowEvidence } from './window-evidence.js';

type Reports = {
  updates: readonly { device: DeviceId; event: UpdateEvent }[];
  windows: readonly { device: DeviceId; window: InferenceWindow }[];
};
type Known = { rollout: string; device: string; deployment: string; digest: string; state: TargetState };
type Move = { rollout: string; device: string; state: TargetState; failure: FailureClass | null; reason: string | null };

/** Late starts of an update never undo what a device has already decided: reports may come twice and out of order. */
const undecided: readonly TargetState[] = ['waiting', 'open', 'timed-out', 'deferred'];

/** Takes what devices report into the rollouts, in the transaction that also stores the records. */
@Injectable()
export class RolloutReports {
  constructor(@Inject(WindowEvidence) private readonly evidence: WindowEvidence) {}

  async record(tx: EntityManager, { updates, windows }: Reports): Promise<void> {
    if (updates.length > 0) await this.move(tx, updates);
    if (windows.length > 0) await this.evidence.gather(tx, windows);
  }

  private async move(tx: EntityManager, updates: Reports['updates']): Promise<void> {
    const known = await tx.query<Known[]>(
      `SELECT t.rollout, t.device, t.deployment, t.state, r.digest FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       WHERE t.deployment = ANY($1::uuid[]) ORDER BY t.rollout, t.device FOR UPDATE OF t`,
      [[...new Set(updates.map((u) => u.event.deployment))]],
    );
    const placeOf = (device: string, deployment: string) => `${device}/${deployment}`;
    const told = Map.groupBy(updates, ({ device, event }) => placeOf(device, event.deployment));
    const moves = known.flatMap((target) => {
      const own = told.get(placeOf(target.device, target.deployment)) ?? [];
      return (
        own.reduce<Move | undefined>(
          (move, { event }) => nextMove({ ...target, state: move?.state ?? target.state }, event) ?? move,
          undefined,
        ) ?? []
      );
    });
    await tx.query(
      `UPDATE rollout_target t SET state = m.state, failure = m.failure, reason = m.reason
       FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) m(rollout, device, state, failure, reason)
       WHERE t.rollout = m.rollout AND t.device = m.device`,
      [
        moves.map((m) => m.rollout),
        moves.map((m) => m.device),
        moves.map((m) => m.state),
        moves.map((m) => m.failure),
        moves.map((m) => m.reason),
      ],
    );
  }
}

function nextMove(target: Known, event: UpdateEvent): Move | undefined {
  const state = nextState(target, event);
  if (state === undefined || state === target.state) return undefined;
  return { rollout: target.rollout, device: target.device, state, failure: event.failure ?? null, reason: event.reason ?? null };
}

function returnedState({ state }: UpdateEvent): TargetState | undefined {
  if (state === 'committed' || state === 'committed-unproven') return 'rolled-back';
  return state === 'failed' || state === 'rolled-back' || state === 'rejected' ? 'return-failed' : undefined;
}

/** Whatever the device does now, this rollout has no part in it. */
const isOver = new Set<TargetState>(['rolled-back', 'already', 'left-out', 'superseded']);

function nextState(target: Known, event: UpdateEvent): TargetState | undefined {
  if (isOver.has(target.state)) return undefined;
  if (target.state === 'rolling-back' || target.state === 'return-failed') return returnedState(event);
  const reported = targetStateOf(target.digest, event);
  return reported === 'open' && !undecided.includes(target.state) ? undefined : reported;
}
