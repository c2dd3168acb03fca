import { type Metric, qualities } from './payload.js';
import { type MetricValue, valuePrefix } from './slot-metrics.js';

/** Numbers for metrics, of the whole edge node: none is given twice. */
type Aliases = { next: () => number };
type Known = {
  alias: number;
  now: MetricValue;
  /** What the host was told last as the present state; undefined: it was not. */
  told: MetricValue | undefined;
};
type Change = {
  /** What differs from what was known before. */
  changed: readonly MetricValue[];
  /** There is a metric that no birth has named yet. */
  isNew: boolean;
};

/** One Sparkplug device: its metrics by name, what each is now, and what of it a host knows. */
export class DeviceSession {
  readonly #metrics = new Map<string, Known>();
  readonly #values = new Set<string>();
  #digest: string | undefined;

  constructor(
    readonly id: string,
    private readonly aliases: Aliases,
  ) {}

  take(metrics: readonly MetricValue[]): Change {
    const changed: MetricValue[] = [];
    let isNew = false;
    for (const metric of metrics) {
      const known = this.#metrics.get(metric.name);
      if (known && !differs(known.now, metric)) continue;
      // Its unit stands in births only.
      if (!known || known.now.unit !== metric.unit) isNew = true;
      if (known) known.now = metric;
      else this.#learn(metric);
      changed.push(metric);
    }
    return { changed, isNew };
  }

  /** The measured values that these metrics of a result lack: nothing is known of them any more. */
  lacking(metrics: readonly MetricValue[], at: number): MetricValue[] {
    if (this.#values.size === 0) return [];
    const there = new Set(metrics.filter(({ name }) => this.#values.has(name)).map(({ name }) => name));
    return [...this.#values]
      .filter((name) => !there.has(name))
      .map((name) => ({ ...this.#metrics.get(name)!.now, value: null, at, quality: qualities.bad }));
  }

  /** Another release may have other values: those that it lacks are in no later birth, if they can be forgotten. Whether there are such. */
  serves({ digest, metrics, canForget }: { digest: string; metrics: readonly MetricValue[]; canForget: boolean }): boolean {
    this.#digest ??= digest;
    if (digest === this.#digest || !canForget) return false;
    this.#digest = digest;
    const gone = this.lacking(metrics, 0);
    for (const { name } of gone) {
      this.#values.delete(name);
      this.#metrics.delete(name);
    }
    return gone.length > 0;
  }

  /** Everything, as it is now: from here on the host knows it. */
  birth(): Metric[] {
    return [...this.#metrics.values()].map((known) => {
      known.told = known.now;
      const { name, datatype, value, at, quality, unit } = known.now;
      return { name, alias: known.alias, withType: true, datatype, value, at, quality, unit };
    });
  }

  /** As present state. */
  data(metrics: readonly MetricValue[]): Metric[] {
    return metrics.flatMap((metric) => {
      const known = this.#metrics.get(metric.name);
      if (!known) return [];
      const { datatype, value, at, quality } = metric;
      // Left out it means good, and a host may keep what it was told before: good is said once after anything else.
      const isUsual = quality === qualities.good && known.told?.quality === qualities.good;
      known.told = metric;
      return [{ alias: known.alias, datatype, value, at, quality: isUsual ? undefined : quality }];
    });
  }

  /** As history, which changes nothing of what the host takes for the present. */
  history(metrics: readonly MetricValue[]): Metric[] {
    return metrics.flatMap(({ name, datatype, value, at, quality }) => {
      const known = this.#metrics.get(name);
      return known ? [{ alias: known.alias, datatype, value, at, quality, isHistorical: true }] : [];
    });
  }

  /** What the host does not know of the present. */
  untold(): MetricValue[] {
    return [...this.#metrics.values()].flatMap(({ now, told }) => (told === now ? [] : [now]));
  }

  nameOf(alias: number): string | undefined {
    for (const [name, known] of this.#metrics) if (known.alias === alias) return name;
    return undefined;
  }

  #learn(metric: MetricValue): void {
    this.#metrics.set(metric.name, { alias: this.aliases.next(), now: metric, told: undefined });
    if (metric.name.startsWith(valuePrefix)) this.#values.add(metric.name);
  }
}

const differs = (a: MetricValue, b: MetricValue) => !Object.is(a.value, b.value) || a.quality !== b.quality || a.unit !== b.unit;
