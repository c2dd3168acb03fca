import type { CutNode } from '@flotilla/protocol/device';
import type { Findings } from '../../../prediction.js';
import { type Scene, turned } from './scene.js';
import { type Point, composed, ontoQuad, shifted } from './transform.js';
import { warped } from './warp.js';

type Box = NonNullable<Findings['boxes']>[number];

/** Places of the boxes that are cut out, in the order in which they were found. */
export function chosen(boxes: readonly Box[], { only, least, most }: CutNode): number[] {
  const wanted = boxes.flatMap(({ label, score }, i) => ((only?.includes(label) ?? true) && score >= least ? [i] : []));
  const best = wanted.toSorted((a, b) => boxes[b]!.score - boxes[a]!.score || a - b).slice(0, most);
  return best.toSorted((a, b) => a - b);
}

/** The box as a picture of its own; undefined where nothing of it lies within. */
export function cutOut(scene: Scene, { box, quad }: Pick<Box, 'box' | 'quad'>, options: CutNode): Scene | undefined {
  const cut =
    options.along === 'quad'
      ? cutQuad(scene, padded(quad ?? cornersOf(box), options.pad), options.reference!)
      : cutBox(scene, padded(cornersOf(box), options.pad));
  const { turnTall } = options;
  return cut && turnTall !== undefined && cut.height >= cut.width * turnTall ? turned(cut, 270) : cut;
}

const cornersOf = ({ left, top, width, height }: Box['box']): Point[] => [
  [left, top],
  [left + width, top],
  [left + width, top + height],
  [left, top + height],
];

/** Away from the middle, by a share of the sides. */
function padded(corners: readonly Point[], share: number): Point[] {
  const [x, y] = [0, 1].map((axis) => corners.reduce((sum, point) => sum + point[axis as 0 | 1], 0) / 4) as [number, number];
  return corners.map((point) => [x + (point[0] - x) * (1 + 2 * share), y + (point[1] - y) * (1 + 2 * share)]);
}

/** Whole pixels, all that the box touches. */
function cutBox(scene: Scene, corners: readonly Point[]): Scene | undefined {
  const bound = (axis: 0 | 1, most: number): [number, number] => {
    const places = corners.map((point) => point[axis]);
    return [Math.max(0, Math.floor(Math.min(...places))), Math.min(most, Math.ceil(Math.max(...places)))];
  };
  const [[left, right], [top, bottom]] = [bound(0, scene.width), bound(1, scene.height)];
  const [width, height] = [right - left, bottom - top];
  if (width < 1 || height < 1) return undefined;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * scene.width + left) * 3;
    data.set(scene.data.subarray(from, from + width * 3), y * width * 3);
  }
  return { data, width, height, toWhole: composed(scene.toWhole, shifted(left, top)) };
}

/** As PP-OCR's get_rotate_crop_image: as wide and high as the longer of opposite sides, cut off to whole pixels. */
function cutQuad(scene: Scene, quad: readonly Point[], reference: NonNullable<CutNode['reference']>): Scene | undefined {
  const side = (a: number, b: number) => Math.hypot(quad[a]![0] - quad[b]![0], quad[a]![1] - quad[b]![1]);
  const size = { width: Math.floor(Math.max(side(0, 1), side(2, 3))), height: Math.floor(Math.max(side(0, 3), side(1, 2))) };
  if (size.width < 1 || size.height < 1 || size.width * size.height > mostPixels) return undefined;
  const onto = ontoQuad(size, quad);
  return { data: warped(scene, size, onto, reference), ...size, toWhole: composed(scene.toWhole, onto) };
}

/** More than a picture itself may have. */
const mostPixels = 64 * 1024 * 1024;
