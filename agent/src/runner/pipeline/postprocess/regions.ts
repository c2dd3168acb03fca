import type { Point } from './rectangle.js';

export type ScoreMap = { values: ArrayLike<number>; width: number; height: number };

/** The convex outline of each connected region (by edges and corners) of pixels above the threshold, by their centres. */
export function* outlinesOf({ values, width, height }: ScoreMap, threshold: number): Generator<Point[]> {
  const open = Uint8Array.from(values, (value) => Number(value > threshold));
  const stack: number[] = [];
  for (let start = 0; start < open.length; start++) {
    if (open[start] === 0) continue;
    const ends = new Map<number, { left: number; right: number }>();
    open[start] = 0;
    stack.push(start);
    while (stack.length > 0) {
      const at = stack.pop()!;
      const [x, y] = [at % width, Math.floor(at / width)];
      const row = ends.get(y);
      if (!row) ends.set(y, { left: x, right: x });
      else [row.left, row.right] = [Math.min(row.left, x), Math.max(row.right, x)];
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++)
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (open[next] === 0) continue;
          open[next] = 0;
          stack.push(next);
        }
    }
    yield hullOf(ends);
  }
}

/** Andrew's chains over the outermost pixels of each row. */
function hullOf(ends: ReadonlyMap<number, { left: number; right: number }>): Point[] {
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

/** The mean over the pixels within and on the edge of a convex outline. */
export function meanWithin({ values, width, height }: ScoreMap, corners: readonly Point[]): number {
  const ys = corners.map(([, y]) => y);
  const [top, bottom] = [Math.max(0, Math.floor(Math.min(...ys))), Math.min(height - 1, Math.ceil(Math.max(...ys)))];
  let [sum, count] = [0, 0];
  for (let y = top; y <= bottom; y++) {
    const [from, to] = spanAt(corners, y);
    for (let x = Math.max(0, Math.round(from)); x <= Math.min(width - 1, Math.round(to)); x++) {
      sum += values[y * width + x]!;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** Where a row lies within a convex outline; beyond its top and bottom, as at these. */
function spanAt(corners: readonly Point[], row: number): [from: number, to: number] {
  const ys = corners.map(([, y]) => y);
  const y = Math.min(Math.max(row, Math.min(...ys)), Math.max(...ys));
  let [from, to] = [Infinity, -Infinity];
  corners.forEach(([x0, y0], i) => {
    const [x1, y1] = corners[(i + 1) % corners.length]!;
    if (y < Math.min(y0, y1) || y > Math.max(y0, y1)) return;
    for (const x of y0 === y1 ? [x0, x1] : [x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)]) {
      from = Math.min(from, x);
      to = Math.max(to, x);
    }
  });
  return [from, to];
}
