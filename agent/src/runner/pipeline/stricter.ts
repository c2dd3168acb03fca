import type { Findings } from '../../prediction.js';

/** Without what scores below, in boxes and apart as well: what this device asks for beyond the release. Telemetry counts what the release found. */
export function stricter<T extends Findings>(findings: T, minScore: number): T {
  const kept = <S extends { score: number }>(found: readonly S[]) => found.filter(({ score }) => score >= minScore);
  const { top, labels, boxes, text, named } = findings;
  const within = <F extends Findings>(inner: F) => stricter(inner, minScore);
  return {
    ...findings,
    ...(top && { top: kept(top) }),
    ...(labels && { labels: kept(labels) }),
    ...(boxes && { boxes: kept(boxes).map(within) }),
    ...(text && text.score < minScore && { text: { value: '', score: 0 } }),
    ...(named && { named: Object.fromEntries(Object.entries(named).map(([node, found]) => [node, within(found)])) }),
  };
}
