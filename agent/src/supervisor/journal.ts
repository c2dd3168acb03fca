import { Activate, DeploymentId, Digest, FailureClass, Probation, type SlotName } from '@flotilla/protocol/device';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Committed, freshSlot, recoveredSlot, type SlotState } from '../core/slot-state.js';
import { readIfThere, writeDurably } from './durable-file.js';
import { messageOf } from '../errors.js';

const target = z.object({
  deployment: DeploymentId,
  digest: Digest,
  release: z.string(),
  probation: Probation,
  activate: Activate.optional(),
});
const CommittedRecord = z.object({ deployment: DeploymentId, digest: Digest, release: z.string(), variant: z.string() });
const count = z.int().min(0);
const attempt = { target, run: count, interruptions: count, signalDeaths: count };
const variants = z.array(z.string()).readonly();
const update = z.discriminatedUnion('state', [
  z.object({ state: z.literal('idle') }),
  z.object({ state: z.literal('offered'), ...attempt }),
  z.object({ state: z.enum(['resolved', 'downloading', 'waiting', 'verified', 'preflight', 'compiling']), ...attempt, variants }),
  z.object({ state: z.literal('held'), ...attempt, variant: z.string(), note: z.string().optional() }),
  z.object({ state: z.literal('staged'), ...attempt, variant: z.string() }),
  z.object({ state: z.literal('probation'), ...attempt, variant: z.string(), since: z.number() }),
  z.object({ state: z.enum(['committed', 'committed-unproven']), target, variant: z.string() }),
  z.object({
    state: z.enum(['failed', 'rejected', 'rolling-back', 'rolled-back']),
    target,
    failure: FailureClass,
    reason: z.string(),
    variant: z.string().optional(),
  }),
]);
const serving = z.object({
  run: count,
  since: z.number().optional(),
  deaths: z.array(z.number()).readonly(),
  steady: z.boolean(),
  safe: z.boolean(),
});
const SlotStateV1 = z.object({
  runs: count,
  committed: CommittedRecord.optional(),
  previous: CommittedRecord.optional(),
  serving,
  update,
  blocked: z
    .array(z.object({ digest: Digest, reason: z.string() }))
    .readonly()
    .optional(),
  halted: z.string().optional(),
}) satisfies z.ZodType<SlotState>;
/** A later version is added to the union and brought up from the earlier ones on reading. */
const Entry = z.discriminatedUnion('version', [z.object({ version: z.literal(1), bootCount: count, state: SlotStateV1 })]);
type Entry = z.infer<typeof Entry>;

/** `bootCount`: starts of the supervisor since the slot was last steady, this one included. */
type Opened = { journal: Journal; state: SlotState; bootCount: number; damage?: string };

/** One slot's state on disk: written before anything is done about it. */
export class Journal {
  readonly #file: string;
  readonly #lastGood: string;
  #bootCount = 0;
  #state: SlotState = freshSlot;

  private constructor(folder: string, slot: SlotName) {
    this.#file = join(folder, `${slot}.json`);
    this.#lastGood = join(folder, `${slot}.last-good.json`);
  }

  /** Counts this start. A damaged journal is set aside, and the slot goes on with its last committed release. */
  static open(folder: string, slot: SlotName): Opened {
    mkdirSync(folder, { recursive: true });
    const journal = new Journal(folder, slot);
    const { entry, damage } = journal.#read();
    journal.#state = entry.state;
    journal.#bootCount = entry.bootCount + 1;
    return { journal, state: entry.state, bootCount: journal.#bootCount, ...(damage === undefined ? {} : { damage }) };
  }

  /** Whether the slot has served a release that it may serve again; cheaper than to open the journal. */
  static hasLastGood(folder: string, slot: SlotName): boolean {
    return new Journal(folder, slot).#readLastGood() !== undefined;
  }

  save(state: SlotState): void {
    if (JSON.stringify(state.committed) !== JSON.stringify(this.#state.committed)) {
      writeDurably(this.#lastGood, JSON.stringify(state.committed ?? null));
    }
    writeDurably(this.#file, JSON.stringify({ version: 1, bootCount: this.#bootCount, state } satisfies Entry));
    this.#state = state;
  }

  clearBoots(): void {
    this.#bootCount = 0;
    this.save(this.#state);
  }

  #read(): { entry: Entry; damage?: string } {
    const text = readIfThere(this.#file);
    if (text === undefined) return { entry: { version: 1, bootCount: 0, state: freshSlot } };
    try {
      return { entry: Entry.parse(JSON.parse(text)) };
    } catch (error) {
      const aside = `${this.#file}.damaged`;
      renameSync(this.#file, aside);
      const committed = this.#readLastGood();
      const goesOn = committed ? `the slot goes on with ${committed.release}` : 'the slot starts empty';
      const damage = `journal ${this.#file} cannot be read (${firstLine(error)}) and was set aside as ${aside}; ${goesOn}`;
      return { entry: { version: 1, bootCount: 0, state: committed ? recoveredSlot(committed) : freshSlot }, damage };
    }
  }

  /** A copy for the day when the journal is damaged; if that is damaged as well, the slot starts empty. */
  #readLastGood(): Committed | undefined {
    return CommittedRecord.safeParse(parseJson(readIfThere(this.#lastGood))).data;
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return undefined; // refused by the schema that comes next
  }
}

const firstLine = (error: unknown) => (error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)).split('\n')[0];
