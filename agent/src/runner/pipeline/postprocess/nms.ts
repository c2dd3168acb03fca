import type { Nms } from '@flotilla/protocol/device';
import type { Candidates, Postprocess } from '../stages.js';
import { picked } from './candidates.js';

export const openNms =
  (options: Nms): Postprocess =>
  (before) => {
    const { candidates } = before;
    return candidates ? { ...before, candidates: picked(candidates, survivors(candidates, options)) } : before;
  };

/** Places of the boxes that stay: each is held against the better ones of its class only. */
function survivors({ corners, classes, count }: Candidates, { iou, maxBoxes }: Nms): number[] {
  const kept: number[] = [];
  for (let i = 0; i < count && kept.length < maxBoxes; i++) {
    if (!kept.some((k) => classes[k] === classes[i] && overlap(corners, k * 4, i * 4) > iou)) kept.push(i);
  }
  return kept;
}

/** Intersection over union of two boxes at their places among the corners. */
function overlap(corners: Float32Array, a: number, b: number): number {
  const width = Math.min(corners[a + 2]!, corners[b + 2]!) - Math.max(corners[a]!, corners[b]!);
  const height = Math.min(corners[a + 3]!, corners[b + 3]!) - Math.max(corners[a + 1]!, corners[b + 1]!);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (area(corners, a) + area(corners, b) - both);
}

const area = (corners: Float32Array, at: number) => (corners[at + 2]! - corners[at]!) * (corners[at + 3]! - corners[at + 1]!);
