import type { Findings } from '../../../prediction.js';
import type { Candidates, View } from '../stages.js';

/** No answer carries more, even where no nms thins them out. */
const mostBoxes = 1000;

/** In pixels of the picture as it is seen, and within it; where tensors were sent, of the model's input. */
export function boxesOf(candidates: Candidates, view: View | undefined): NonNullable<Findings['boxes']> {
  const { corners, quads, scores, classes, count, labels } = candidates;
  return Array.from({ length: Math.min(count, mostBoxes) }, (_, i) => {
    const index = classes[i]!;
    const [left, top, right, bottom] = seen(corners.subarray(i * 4, i * 4 + 4), view);
    const box = { left, top, width: right - left, height: bottom - top };
    const quad = quads && quadOf(quads.subarray(i * 8, i * 8 + 8), view);
    return { label: labels[index] ?? String(index), index, score: scores[i]!, box, ...(quad ? { quad } : {}) };
  });
}

function quadOf(points: Float32Array, view: View | undefined): [number, number][] {
  return [0, 2, 4, 6].map((at) => {
    const [x, y] = seen(Float32Array.of(points[at]!, points[at + 1]!, 0, 0), view);
    return [x, y];
  });
}

function seen(corners: Float32Array, view: View | undefined): [number, number, number, number] {
  const [left, top, right, bottom] = corners as unknown as [number, number, number, number];
  if (!view) return [left, top, right, bottom];
  const { scaleX, scaleY, shiftX, shiftY, width, height } = view;
  const x = (at: number) => Math.min(width, Math.max(0, (at - shiftX) / scaleX));
  const y = (at: number) => Math.min(height, Math.max(0, (at - shiftY) / scaleY));
  return [x(left), y(top), x(right), y(bottom)];
}
