/** Of one slot: sessions side by side, and the threads of each. */
export type ThreadShare = Readonly<{ workers: number; intraOpThreads: number }>;
export type ThreadShares<Slot extends string> = Readonly<Record<Slot, ThreadShare>>;

/**
 * Σ (workers × threads) over the slots stays within `threads`, but each worker has one always: with one worker a slot, more slots than
 * threads share them. More workers than threads were asked for knowingly, and would only be slower: refused with the sentence to print.
 */
export function shareThreads<Slot extends string>(
  threads: number,
  asked: Readonly<Record<Slot, number>>,
): { shares: ThreadShares<Slot> } | { refused: string } {
  const slots = Object.entries<number>(asked) as [Slot, number][];
  const workers = slots.reduce((sum, [, count]) => sum + count, 0);
  const [greatest] = slots.toSorted((a, b) => b[1] - a[1]);
  if (workers > threads && greatest && greatest[1] > 1) {
    const others = slots.length > 1 ? `, the others ${workers - greatest[1]}` : '';
    return {
      refused: `slots.${greatest[0]}.workers: it asks for ${greatest[1]} workers${others}, and ${threads} ${threads === 1 ? 'thread is' : 'threads are'} for inference here; set it lower.`,
    };
  }
  const intraOpThreads = Math.max(1, Math.floor(threads / Math.max(1, workers)));
  return {
    shares: Object.fromEntries(slots.map(([slot, count]) => [slot, { workers: count, intraOpThreads }])) as ThreadShares<Slot>,
  };
}
