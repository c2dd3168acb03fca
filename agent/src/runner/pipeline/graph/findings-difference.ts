import type { ExpectedFindings } from '@flotilla/protocol/device';
import type { Findings } from '../../../prediction.js';

type Expected = Omit<ExpectedFindings, 'boxes'>;
type ExpectedBox = NonNullable<ExpectedFindings['boxes']>[number];
type Found = Omit<Findings, 'boxes' | 'named'>;
type FoundBox = NonNullable<Findings['boxes']>[number];
type Rectangle = FoundBox['box'];

/** What was found another than it must be, in words; undefined where all agrees. */
export function findingsDifference(expected: ExpectedFindings, found: Findings): string | undefined {
  return kindDifference(expected, found) ?? (expected.boxes && boxesDifference(expected.boxes, found.boxes ?? []));
}

function kindDifference({ top = [], labels, text, values = [], anomaly }: Expected, found: Found): string | undefined {
  const [best] = top;
  if (best && found.top?.[0]?.label !== best.label) return `${said(found.top?.[0]?.label)} where it must be "${best.label}"`;
  if (labels && namesOf(labels) !== namesOf(found.labels ?? []))
    return `the labels ${namesOf(found.labels ?? []) || 'none'} where they must be ${namesOf(labels) || 'none'}`;
  if (text && found.text?.value !== text.value) return `the text ${said(found.text?.value)} where it must be "${text.value}"`;
  for (const { name, value, tolerance } of values) {
    const actual = found.values?.find((candidate) => candidate.name === name)?.value;
    // Written so that a NaN is outside too.
    if (actual === undefined || !(Math.abs(actual - value) <= tolerance))
      return `${name} is ${actual ?? 'missing'}, expected ${value} ± ${tolerance}`;
  }
  return anomaly && found.anomaly?.found !== anomaly.found
    ? `${found.anomaly?.found ? 'an anomaly' : 'no anomaly'} where there must be ${anomaly.found ? 'one' : 'none'}`
    : undefined;
}

const said = (value: string | undefined) => (value === undefined ? 'nothing' : `"${value}"`);
const namesOf = (ranked: readonly { label: string }[]) =>
  ranked
    .map(({ label }) => label)
    .toSorted()
    .join(', ');

/** Each that is expected takes the box that it overlaps most, and no other takes that. */
function boxesDifference(
  expected: readonly (ExpectedBox & { boxes?: ExpectedBox['boxes'] })[],
  found: readonly FoundBox[],
): string | undefined {
  const left = new Set(found);
  for (const wanted of expected) {
    const where = `the box at ${Math.round(wanted.box.left)},${Math.round(wanted.box.top)}`;
    const [best] = [...left].toSorted((a, b) => overlap(b.box, wanted.box) - overlap(a.box, wanted.box));
    if (!best || overlap(best.box, wanted.box) < wanted.iou)
      return `${where} is not found: the nearest overlaps by ${best ? overlap(best.box, wanted.box).toFixed(2) : 0}, it must by ${wanted.iou}`;
    left.delete(best);
    if (wanted.label !== undefined && best.label !== wanted.label)
      return `${where} is ${said(best.label)} where it must be "${wanted.label}"`;
    const inside = kindDifference(wanted, best) ?? (wanted.boxes && boxesDifference(wanted.boxes, best.boxes ?? []));
    if (inside !== undefined) return `${where} has ${inside}`;
  }
  const [extra] = left;
  return (
    extra &&
    `${found.length} boxes where there must be ${expected.length}; one too many is at ${Math.round(extra.box.left)},${Math.round(extra.box.top)}`
  );
}

function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}
