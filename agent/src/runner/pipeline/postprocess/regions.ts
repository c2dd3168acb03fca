import type { Point } from './rectangle.js';

export type ScoreMap = { values: ArrayLike<number>; width: number; height: number };

/** The convex outline of each connected region (by edges and corners) of pixels above the threshold, by their centres. */
export function* outlinesOf(map: ScoreMap, threshold: number): Generator<Point[]> {
  const open = above(map, threshold);
  for (let start = open.indexOf(1); start >= 0; start = open.indexOf(1, start + 1)) yield hullOf(taken(open, map, start));
}

function above({ values }: ScoreMap, threshold: number): Uint8Array {
  const open = new Uint8Array(values.length);
  for (let i = 0; i < open.length; i++) if (values[i]! > threshold) open[i] = 1;
  return open;
}

type Ends = Map<number, { left: number; right: number }>;

/** A region's outermost pixels, row by row; all of it is closed on the way. */
function taken(open: Uint8Array, { width, height }: Pick<ScoreMap, 'width' | 'height'>, start: number): Ends {
  const ends: Ends = new Map();
  const stack = [start];
  open[start] = 0;
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const y = Math.floor(at / width);
    const x = at - y * width;
    const row = ends.get(y);
    if (!row) ends.set(y, { left: x, right: x });
    else if (x < row.left) row.left = x;
    else if (x > row.right) row.right = x;
    const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)];
    const last = Math.min(height - 1, y + 1) * width;
    for (let line = Math.max(0, y - 1) * width; line <= last; line += width)
      for (let next = line + left; next <= line + right; next++) {
        if (open[next] === 0) continue;
        open[next] = 0;
        stack.push(next);
      }
  }
  return ends;
}

/** Andrew's chains over the outermost pixels of each row. */
function hullOf(ends: Ends): Point[] {
  const rows = [...ends].toSorted(([a], [b]) => a - b);
  const right = chain(
    rows.map(([y, row]): Point => [row.right, y]),
    1,
  );
  const left = chain(
    rows.map(([y, row]): Point => [row.left, y]),
    -1,
  ).toReversed();
  return [...right, ...left].filter((point, i, all) => {
    const before = all[(i + all.length - 1) % all.length]!;
    return all.length === 1 || i === 0 || point[0] !== before[0] || point[1] !== before[1];
  });
}

/** Of points from the top down, those that bulge out to the right (1) or to the left (-1). */
function chain(points: readonly Point[], side: 1 | -1): Point[] {
  const kept: Point[] = [];
  for (const point of points) {
    while (kept.length >= 2 && side * cross(kept[kept.length - 2]!, kept[kept.length - 1]!, point) <= 0) kept.pop();
    kept.push(point);
  }
  return kept;
}

const cross = ([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);

/** The mean over the pixels within and on the edge of a convex outline, its corners cut off to whole pixels as PP-OCR's box_score_fast does. */
export function meanWithin({ values, width, height }: ScoreMap, exact: readonly Point[]): number {
  const corners = exact.map(([x, y]): Point => [Math.floor(x), Math.floor(y)]);
  const ys = corners.map(([, y]) => y);
  const [top, bottom] = [Math.max(0, Math.floor(Math.min(...ys))), Math.min(height - 1, Math.ceil(Math.max(...ys)))];
  let [sum, count] = [0, 0];
  for (let y = top; y <= bottom; y++) {
    const [from, to] = spanAt(corners, y);
    for (let x = Math.max(0, from); x <= Math.min(width - 1, to); x++) {
      sum += values[y * width + x]!;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** Pixels of a row that cv2.fillPoly fills: from edge to edge at its middle, and what the edges themselves cover of it. */
function spanAt(corners: readonly Point[], row: number): [from: number, to: number] {
  let [from, to] = [Infinity, -Infinity];
  corners.forEach((start, i) => {
    const end = corners[(i + 1) % corners.length]!;
    const middle = crossing(start, end, row);
    if (middle !== undefined) [from, to] = [Math.min(from, Math.round(middle)), Math.max(to, Math.round(middle))];
    const covered = [row - 0.5, row + 0.5].map((y) => crossing(start, end, y));
    const ends = [start, end].flatMap(([x, y]) => (Math.abs(y - row) <= 0.5 ? [x] : []));
    for (const x of [...covered, ...ends])
      if (x !== undefined) [from, to] = [Math.min(from, Math.ceil(x)), Math.max(to, Math.floor(x))];
  });
  return [from, to];
}

/** Where an edge comes to a height; undefined where it does not, or lies along it. */
function crossing([x0, y0]: Point, [x1, y1]: Point, y: number): number | undefined {
  if (y0 === y1 || y < Math.min(y0, y1) || y > Math.max(y0, y1)) return undefined;
  return x0 + ((y - y0) * (x1 - x0)) / (y1 - y0);
}
