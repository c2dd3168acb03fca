import { Backlog, type BacklogLimits, usualBacklog } from '../backlog.js';

type Item = { id: string; json: string; since: number };
/** What goes in one request: named by its first reading, so that a receiver knows it when it comes twice. */
export type Batch = { id: string; items: readonly Item[] };

const most = { items: 200, chars: 512 * 1024 };
/** One that waited longer is not of now any more. */
const lateMs = 1000;

/** What waits, cut into requests: the slower the receiver, the more in each. */
export class Batches {
  readonly #backlog: Backlog<Item>;

  constructor(
    limits: BacklogLimits = usualBacklog,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#backlog = new Backlog(limits);
  }

  get queued(): number {
    return this.#backlog.length;
  }

  get dropped(): number {
    return this.#backlog.dropped;
  }

  /** `json`: an object. */
  add(id: string, json: string): void {
    this.#backlog.push({ id, json, since: this.now() }, json.length);
  }

  take(): Batch | undefined {
    const items: Item[] = [];
    let chars = 0;
    for (let next = this.#backlog.peek(); next; next = this.#backlog.peek()) {
      chars += next.json.length;
      if (items.length === most.items || (chars > most.chars && items.length > 0)) break;
      items.push(this.#backlog.shift()!);
    }
    const [first] = items;
    return first && { id: first.id, items };
  }

  /** Written anew for each try: what was news then is history now. */
  bodyOf({ items }: Batch, at: Date): string {
    const now = this.now();
    const readings = items.map(({ json, since }) => `{"historical":${now - since > lateMs},${json.slice(1)}`);
    return `{"type":"flotilla.readings","timestamp":"${at.toISOString()}","data":{"readings":[${readings.join(',')}]}}`;
  }
}
