import type { BlockId, DeviceId, Digest } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutRepository, underWay } from './rollout.repository.js';

type Killed = Readonly<{
  block: BlockId;
  digests: readonly Digest[];
  /** Absent: on every device. */
  members?: readonly DeviceId[] | undefined;
  detail: string;
  actor: string;
}>;

/** What a kill means for rollouts; in its own transaction. */
@Injectable()
export class RolloutKills {
  constructor(
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** A kill goes again after a deadlock, however often: it has to come through. */
  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.rollouts.transaction(work, 10);
  }

  /** Before the releases' rows, as offers take them. */
  async lock(tx: EntityManager, digests: readonly Digest[]): Promise<void> {
    await tx.query(`SELECT 1 FROM rollout WHERE digest = ANY($1) AND phase = ANY($2) ORDER BY id FOR UPDATE`, [
      digests,
      underWay,
    ]);
  }

  /** On every device: rollouts of the release are over. On a group: those that touch it pause, until somebody says that the others go on. */
  async end(tx: EntityManager, killed: Killed): Promise<string[]> {
    const at = this.clock.now().getTime();
    const rows = await this.rollouts.lockedById(tx, await this.concerned(tx, killed));
    const names: string[] = [];
    for (const row of rows) {
      const { phase } = row.state;
      if (phase === 'rolling-back') continue;
      if (killed.members && phase !== 'running') continue;
      const { detail, actor } = killed;
      const event = killed.members
        ? ({ type: 'pause', at, reason: 'killed', detail } as const)
        : ({ type: 'kill', at, detail } as const);
      await this.machine.apply(tx, row, event, actor);
      names.push(row.name);
    }
    return names;
  }

  /** Devices that a kill has moved stand where it has led them: also those that were on their way back to what it takes away. */
  async follow(tx: EntityManager, { block, digests }: Killed): Promise<void> {
    await tx.query(
      `UPDATE rollout_target rt SET deployment = t.deployment,
         state = CASE WHEN t.deployment IS NULL THEN 'rolled-back' ELSE 'rolling-back' END
       FROM kill_target t, rollout r
       WHERE t.block = $1 AND rt.deployment = t.before AND rt.device = t.device AND r.id = rt.rollout
         AND (rt.state IN ('rolling-back', 'return-failed') OR r.digest = ANY($2))`,
      [block, digests],
    );
  }

  private async concerned(tx: EntityManager, { digests, members }: Killed): Promise<string[]> {
    const rows = await tx.query<{ id: string }[]>(
      `SELECT id FROM rollout r WHERE digest = ANY($1) AND phase = ANY($2) AND ($3::text[] IS NULL OR EXISTS
         (SELECT 1 FROM rollout_target t WHERE t.rollout = r.id AND t.device = ANY($3)))`,
      [digests, underWay, members ?? null],
    );
    return rows.map(({ id }) => id);
  }
}
