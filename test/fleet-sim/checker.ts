import type { DeviceLedger, Ledger } from './ledger.js';

/** Rows of one table for one device, by the number that tells them apart. */
type Stored = Readonly<Record<'windows' | 'vitals', ReadonlyMap<string, readonly number[]>>> & {
  readonly committed: ReadonlyMap<string, readonly string[]>;
};
export interface Finding {
  readonly device: string;
  readonly what: 'windows' | 'vitals' | 'committed';
  readonly lost: number;
  readonly doubled: number;
  /** In the database, and never kept by the device. */
  readonly strange: number;
}
type Query = (sql: string, values?: unknown[]) => Promise<unknown>;

/** Compares what each device knows it kept with what the database holds; nothing is to be on its way any more. */
export async function check(ledger: Ledger, query: Query): Promise<Finding[]> {
  const stored = await storedBy(Object.keys(ledger), query);
  return Object.entries(ledger).flatMap(([device, own]) => findings(device, own, stored));
}

/** What findings say together. */
export function total(found: readonly Finding[]): { lost: number; doubled: number; strange: number } {
  const sum = (of: (finding: Finding) => number) => found.reduce((all, finding) => all + of(finding), 0);
  return { lost: sum((f) => f.lost), doubled: sum((f) => f.doubled), strange: sum((f) => f.strange) };
}

function findings(device: string, own: DeviceLedger, stored: Stored): Finding[] {
  const dropped = new Set(own.dropped);
  const measured = (what: 'windows' | 'vitals') =>
    compare(
      { device, what },
      own[what].filter((key) => !dropped.has(key)),
      own.maybe[what],
      stored[what].get(device) ?? [],
    );
  return [
    measured('windows'),
    measured('vitals'),
    compare({ device, what: 'committed' }, own.committed, own.maybe.committed, stored.committed.get(device) ?? []),
  ].filter(({ lost, doubled, strange }) => lost + doubled + strange > 0);
}

type Whose = Pick<Finding, 'device' | 'what'>;

/** As bags: of the same number, as often here as there; what may be there, at most as often. */
function compare<K>(whose: Whose, kept: readonly K[], maybe: readonly K[], found: readonly K[]): Finding {
  const must = bagOf(kept);
  const may = bagOf(maybe);
  const known = new Set([...kept, ...maybe]);
  let [doubled, strange] = [0, 0];
  for (const key of found)
    if (!takeFrom(must, key) && !takeFrom(may, key)) {
      if (known.has(key)) doubled++;
      else strange++;
    }
  const lost = [...must.values()].reduce((sum, open) => sum + open, 0);
  return { ...whose, lost, doubled, strange };
}

function bagOf<K>(keys: readonly K[]): Map<K, number> {
  const bag = new Map<K, number>();
  for (const key of keys) bag.set(key, (bag.get(key) ?? 0) + 1);
  return bag;
}

function takeFrom<K>(bag: Map<K, number>, key: K): boolean {
  const left = bag.get(key) ?? 0;
  if (left > 0) bag.set(key, left - 1);
  return left > 0;
}

/** In the order of the device's name, so that hundreds of thousands of rows come as one array a device. */
async function storedBy(devices: readonly string[], query: Query): Promise<Stored> {
  const keys = async (table: string, key: string) => {
    const rows = (await query(
      `SELECT device, string_agg((${key})::text, ',') keys FROM ${table} WHERE device = ANY($1) GROUP BY device`,
      [devices],
    )) as { device: string; keys: string }[];
    return new Map(rows.map(({ device, keys: all }) => [device, all.split(',').map(Number)]));
  };
  const committed = (await query(
    `SELECT device, array_agg(data->>'deployment') deployments FROM event WHERE kind = 'update-committed' AND device = ANY($1) GROUP BY device`,
    [devices],
  )) as { device: string; deployments: string[] }[];
  return {
    windows: await keys('telemetry_window', 'compute_cpu_us'),
    vitals: await keys('vitals', `vitals->>'memoryUsedBytes'`),
    committed: new Map(committed.map(({ device, deployments }) => [device, deployments])),
  };
}
