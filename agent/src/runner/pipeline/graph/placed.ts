import type { Findings } from '../../../prediction.js';
import type { View } from '../stages.js';
import { type Transform, applied, keepsUpright, shifted } from './transform.js';

type Boxes = NonNullable<Findings['boxes']>;

/** Findings of a part, their boxes where they lie in the whole picture. */
export function placed(findings: Findings, toWhole: Transform): Findings {
  const { boxes } = findings;
  return boxes ? { ...findings, boxes: boxes.map((box) => placedBox(box, toWhole)) } : findings;
}

function placedBox(found: Boxes[number], toWhole: Transform): Boxes[number] {
  const { box, quad, ...rest } = found;
  const { left, top, width, height } = box;
  const [right, bottom] = [left + width, top + height];
  const corners =
    quad ??
    ([
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ] satisfies [number, number][]);
  const seen = corners.map((corner) => applied(toWhole, corner));
  const [xs, ys] = [seen.map(([x]) => x), seen.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  const upright = { left: x, top: y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
  return { ...rest, box: upright, ...(quad || !keepsUpright(toWhole) ? { quad: seen } : {}) };
}

/** Where a node's finding belongs: within the boxes at these places, one in the other. */
export function add(whole: Findings, at: readonly number[], findings: Findings, apart: string | undefined): void {
  let place: Findings = whole;
  for (const i of at) place = place.boxes![i]! as Findings;
  if (apart === undefined) Object.assign(place, findings);
  else place.named = { ...place.named, [apart]: findings };
}

/** All boxes, one within the other too, in a picture that the whole one was cut out of. */
export function moved(findings: Findings, { shiftX, shiftY }: Pick<View, 'shiftX' | 'shiftY'>): Findings {
  const { boxes } = findings;
  if (!boxes) return findings;
  const by = shifted(-shiftX, -shiftY);
  return { ...findings, boxes: boxes.map((box) => moved(placedBox(box, by), { shiftX, shiftY }) as Boxes[number]) };
}
