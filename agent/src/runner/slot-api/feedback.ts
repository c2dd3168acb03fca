import { RequestError } from '../../http/http.js';
import { type Family, single } from '../../http/exposition.js';
import type { JsonLines } from './json-lines.js';
import { type FeedbackAnswer, type FeedbackRequest, Verdict } from './slot-schemas.js';
import type { PastPrediction } from './past-predictions.js';
import type { VerdictCounts } from './verdict-counts.js';

/** What feedback is said about: enough to make sense of its line without the prediction's. */
type Known = Pick<PastPrediction, 'id' | 'at' | 'seq' | 'release' | 'digest' | 'deployment' | 'variant' | 'source'> & {
  predicted: PastPrediction['top'][number] | undefined;
};
type Said = Omit<FeedbackRequest, 'id'>;
type Entry = { known: Known; said?: Said };

/** Predictions that are remembered; older ones are looked for in the file. */
const remembered = 1000;
const zero = () => ({ confirmed: 0, rejected: 0, corrected: 0 }) satisfies Record<Verdict, number>;

/** What people and other stations say of predictions. Kept as JSON lines; of several about one prediction the last holds. */
export class Feedback {
  readonly #entries = new Map<string, Entry>();
  readonly #given = zero();
  readonly #standing = zero();

  constructor(
    private readonly lines: JsonLines,
    /** A prediction that is no longer, or not yet, remembered: of the runner before this one, say. */
    private readonly find: (id: string) => Promise<PastPrediction | undefined>,
    private readonly slot: string,
    private readonly counts: VerdictCounts,
  ) {}

  remember(prediction: PastPrediction): void {
    this.#entries.set(prediction.id, { known: knownOf(prediction) });
    this.#forgetOldest();
  }

  /** Answers only when the line is on the disk. Said again, it changes nothing; with another verdict, the later one holds. */
  async take({ id, ...said }: FeedbackRequest): Promise<FeedbackAnswer> {
    if ((said.verdict === 'corrected') !== (said.label !== undefined))
      throw new RequestError(
        400,
        'label: it says what a corrected prediction really was; give it with "corrected", and only there',
      );
    const entry = await this.#entry(id);
    const before = entry.said;
    if (before && isSame(before, said)) return { id, verdict: said.verdict, outcome: 'repeated' };
    // Before the line is out: the same, sent again meanwhile, must not count twice.
    entry.said = said;
    if (!(await this.lines.append({ ...entry.known, at: new Date().toISOString(), predictedAt: entry.known.at, ...said })))
      throw this.#unwritten(entry, before);
    this.#given[said.verdict] += 1;
    this.#standing[said.verdict] += 1;
    if (before) this.#standing[before.verdict] -= 1;
    this.counts.add(entry.known, said.verdict);
    return { id, verdict: said.verdict, outcome: before ? 'replaced' : 'recorded' };
  }

  families(): Family[] {
    const samples = (of: Record<Verdict, number>) =>
      Verdict.options.map((verdict) => ({ labels: { slot: this.slot, verdict }, value: of[verdict] }));
    return [
      {
        name: 'flotilla_feedback_total',
        type: 'counter',
        help: 'Verdicts on predictions that were taken; one repeated counts once.',
        samples: samples(this.#given),
      },
      {
        name: 'flotilla_feedback_standing',
        type: 'gauge',
        help: 'Predictions by the last verdict on each, since this runner began.',
        samples: samples(this.#standing),
      },
      single('counter', 'flotilla_feedback_lines_lost_total', 'Verdicts that could not be written.', this.lines.lost, {
        slot: this.slot,
      }),
    ];
  }

  async #entry(id: string): Promise<Entry> {
    const known = this.#entries.get(id);
    if (known) return known;
    const found = await this.find(id);
    if (!found)
      throw new RequestError(
        404,
        `no prediction "${id.slice(0, 60)}" is known here: it is too old, or another slot's; its id comes with it`,
      );
    // Two may have looked for it at once.
    const entry = this.#entries.get(id) ?? { known: knownOf(found) };
    this.#entries.set(id, entry);
    this.#forgetOldest();
    return entry;
  }

  #unwritten(entry: Entry, before: Said | undefined): RequestError {
    if (before) entry.said = before;
    else delete entry.said;
    return new RequestError(503, 'the feedback could not be written: the disk takes nothing; send it again later', {
      'retry-after': '10',
    });
  }

  #forgetOldest(): void {
    if (this.#entries.size > remembered) this.#entries.delete(this.#entries.keys().next().value!);
  }
}

const knownOf = ({ id, at, seq, release, digest, deployment, variant, source, top }: PastPrediction): Known => ({
  id,
  at,
  seq,
  release,
  digest,
  deployment,
  ...(variant === undefined ? {} : { variant }),
  ...(source === undefined ? {} : { source }),
  predicted: top[0],
});

const isSame = (a: Said, b: Said) => a.verdict === b.verdict && a.label === b.label && a.by === b.by && a.comment === b.comment;
