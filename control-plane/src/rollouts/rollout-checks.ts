import type { PlanCheck } from '@flotilla/protocol';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Answer } from '../core/rollout-state.js';
import { askCheck } from './ask-check.js';
import { CheckRepository } from './check.repository.js';
import { RolloutMachine } from './rollout-machine.js';
import { viewOf } from './rollout-view.js';
import type { RolloutRow } from './rollout.entity.js';
import { RolloutRepository } from './rollout.repository.js';
import { TargetRepository } from './target.repository.js';

type Guard = (tx: EntityManager) => Promise<void>;

/** Asks others about stages, outside of every transaction: however slow they are, they hold nothing up. */
@Injectable()
export class RolloutChecks implements OnApplicationShutdown {
  /** By rollout and name: nobody is asked twice at a time. */
  readonly #asking = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(
    @Inject(CheckRepository) private readonly checks: CheckRepository,
    @Inject(RolloutRepository) private readonly rollouts: RolloutRepository,
    @Inject(TargetRepository) private readonly targets: TargetRepository,
    @Inject(RolloutMachine) private readonly machine: RolloutMachine,
  ) {}

  /** Begins to ask whoever is due; `settled` waits for the answers. */
  async look(guard: Guard, now?: Date): Promise<void> {
    for (const id of await this.checks.waiting()) {
      const at = (now ?? (await this.rollouts.now())).getTime();
      await this.ask(await this.rollouts.get(id), at, guard);
    }
  }

  /** Nobody waits for an answer that nobody would hear. */
  async onApplicationShutdown(): Promise<void> {
    this.#stopping.abort();
    await this.settled();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  private async ask(row: RolloutRow, at: number, guard: Guard): Promise<void> {
    const { state, plan } = row;
    if (state.phase !== 'running' && state.phase !== 'paused') return;
    const { stage } = state;
    const answers = (await this.checks.of(row.id)).filter((answer) => answer.stage === stage);
    const lastOf = ({ name }: PlanCheck) => answers.find((answer) => answer.name === name)?.at ?? -Infinity;
    const due = (plan.checks ?? []).filter((check) => at - lastOf(check) >= check.interval * 1000);
    const idle = due.filter(({ name }) => !this.#asking.has(`${row.id}/${name}`));
    if (idle.length === 0) return;
    const question = await this.question(row, stage);
    for (const check of idle) {
      const key = `${row.id}/${check.name}`;
      const asking = this.askOne(row, check, { stage, name: check.name, at, question }, guard)
        // Deposed meanwhile, or the database is away: it is asked again.
        .catch(() => undefined)
        .finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
  }

  private async askOne(
    { id }: RolloutRow,
    check: PlanCheck,
    { question, ...about }: Pick<Answer, 'stage' | 'name' | 'at'> & { question: unknown },
    guard: Guard,
  ): Promise<void> {
    const { signal } = this.#stopping;
    const verdict = await askCheck(check, question, signal);
    if (signal.aborted) return;
    await this.rollouts.locked(id, async (tx, row) => {
      await guard(tx);
      await this.checks.store(tx, id, { ...about, ...verdict });
      if (row.state.phase === 'paused' && (await this.allAnswer(tx, row)))
        await this.machine.apply(tx, row, { type: 'release', at: about.at, reason: 'metrics' }, 'flotilla');
    });
  }

  /** What the rollout waited for is back. */
  private async allAnswer(tx: EntityManager, { id, state, plan }: RolloutRow): Promise<boolean> {
    if (state.phase !== 'paused' || state.reason !== 'metrics') return false;
    const silent = (await this.checks.of(id, tx)).filter((a) => a.stage === state.stage && a.verdict === 'error');
    return !silent.some(({ name }) => plan.checks?.some((check) => check.name === name && !check.dryRun));
  }

  private async question(row: RolloutRow, stage: number) {
    const { id, name, release, digest, slot, phase, stages } = viewOf(
      row,
      await this.targets.observe(this.rollouts.manager, row),
    );
    return { rollout: { id, name, release, digest, slot, phase }, stage: { index: stage, ...stages[stage] } };
  }
}
