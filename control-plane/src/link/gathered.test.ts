import { describe, expect, it } from 'vitest';
import { Gathered } from './gathered.js';

/** Each set waits until the test lets it go. */
function aWorkshop(most: number, restMs?: number) {
  const sets: { items: readonly number[]; go: (error?: Error) => void }[] = [];
  const gathered = new Gathered<number, string>(
    (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      sets.push({ items, go: (error) => (error ? reject(error) : resolve(items.map((item) => `done ${item}`))) });
      return promise;
    },
    most,
    restMs,
  );
  /** The next set begins a moment after the answers of the one before. */
  const set = async (i: number) => {
    while (!sets[i]) await new Promise(setImmediate);
    return sets[i]!;
  };
  return { sets, set, gathered };
}

describe('what is gathered', () => {
  it('goes at once while nothing is under way, and together while something is', async () => {
    const { sets, set, gathered } = aWorkshop(10);
    const answers = [1, 2, 3].map((item) => gathered.add(item));
    expect(sets.map(({ items }) => items)).toEqual([[1]]);
    sets[0]!.go();
    expect(await answers[0]).toBe('done 1');
    (await set(1)).go();
    expect(await Promise.all(answers)).toEqual(['done 1', 'done 2', 'done 3']);
    expect(sets.map(({ items }) => items)).toEqual([[1], [2, 3]]);
  });

  it('goes in sets of no more than it may', async () => {
    const { sets, set, gathered } = aWorkshop(2);
    const answers = [1, 2, 3, 4].map((item) => gathered.add(item));
    for (let i = 0; i < 3; i++) {
      (await set(i)).go();
      await answers[i === 2 ? 3 : i * 2];
    }
    expect(sets.map(({ items }) => items)).toEqual([[1], [2, 3], [4]]);
  });

  it('fails with its set, and the next set is none the worse', async () => {
    const { set, gathered } = aWorkshop(10);
    const answers = [1, 2, 3].map((item) => gathered.add(item));
    (await set(0)).go();
    await answers[0];
    (await set(1)).go(new Error('no room'));
    expect(await Promise.allSettled(answers.slice(1))).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    const later = gathered.add(4);
    (await set(2)).go();
    expect(await later).toBe('done 4');
  });

  it('begins no set sooner than it may after the one before, but for a full one', async () => {
    const { sets, set, gathered } = aWorkshop(3, 60_000);
    const first = gathered.add(1);
    sets[0]!.go();
    await first;
    const answers = [2, 3].map((item) => gathered.add(item));
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(sets).toHaveLength(1);
    answers.push(gathered.add(4));
    (await set(1)).go();
    expect(await Promise.all(answers)).toEqual(['done 2', 'done 3', 'done 4']);
  });
});
