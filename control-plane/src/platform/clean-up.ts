import { schedule, type ScheduledTask } from 'node-cron';
import type { Leader } from './leader.js';
import type { Logger } from './logger.js';

type Work = {
  /** Once a night, as cron writes it. */
  at: string;
  /** What is deleted, in the words of the log: "old claim tokens". */
  what: string;
  /** What it says goes to the log. */
  deleteOld: (now: Date) => Promise<unknown>;
};

/** Every control plane has the clock; whichever leads when it strikes does the work. What fails is tried again the next time. */
export class CleanUp {
  #task: ScheduledTask | undefined;

  constructor(
    private readonly work: Work,
    private readonly leader: Leader,
    private readonly log: Logger,
  ) {}

  start(): void {
    const { at, what } = this.work;
    this.#task = schedule(at, ({ date }) => this.#runInLeader(date), { name: what, noOverlap: true });
  }

  async stop(): Promise<void> {
    await this.#task?.destroy();
  }

  async #runInLeader(now: Date): Promise<void> {
    if (!this.leader.isLeader()) return;
    const { what, deleteOld } = this.work;
    try {
      this.log.info({ deleted: await deleteOld(now) }, `deleted: ${what}`);
    } catch (error) {
      this.log.error({ err: error }, `could not be deleted: ${what}; the next night tries again`);
    }
  }
}
