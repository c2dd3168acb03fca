import type { Batching, Member } from './batch-plan.js';

type Group = { key: string | undefined; rowsEach: number; rows: number; members: number };
type Counted = Pick<Member, 'key' | 'rows'> & { priority: number };

/** What waits, counted by priority and kind as it comes and goes: under overload each request asks how long it would have to wait. */
export class Backlog {
  readonly #byPriority = new Map<number, Map<string, Group>>();

  add(member: Counted, times = 1): void {
    const { key, rows, priority } = member;
    const groups = this.#groupsOf(priority);
    // Those that go alone take their own time by their own size.
    const kind = key ?? `${rows} alone`;
    const group = groups.get(kind) ?? { key, rowsEach: rows, rows: 0, members: 0 };
    group.rows += times * rows;
    group.members += times;
    if (group.members === 0) groups.delete(kind);
    else groups.set(kind, group);
  }

  remove(member: Counted): void {
    this.add(member, -1);
  }

  /** How long one worker computes at all that are as urgent or more so. */
  workMs(priority: number, { maxRows }: Pick<Batching, 'maxRows'>, expectedMs: (rows: number) => number): number {
    const together = new Map<string, number>();
    let ms = 0;
    for (const [urgency, groups] of this.#byPriority)
      if (urgency <= priority)
        for (const [kind, { key, rowsEach, rows, members }] of groups)
          if (key === undefined) ms += members * expectedMs(rowsEach);
          else together.set(kind, (together.get(kind) ?? 0) + rows);
    for (const rows of together.values()) {
      const rest = rows % maxRows;
      ms += Math.floor(rows / maxRows) * expectedMs(maxRows) + (rest > 0 ? expectedMs(rest) : 0);
    }
    return ms;
  }

  #groupsOf(priority: number): Map<string, Group> {
    const known = this.#byPriority.get(priority);
    if (known) return known;
    const groups = new Map<string, Group>();
    this.#byPriority.set(priority, groups);
    return groups;
  }
}
