export type Point = [x: number, y: number];
/** `along`: a unit vector that the width lies along. */
export type Rectangle = { centre: Point; along: Point; width: number; height: number };

/** The rectangle of the least area around a convex outline, as cv2.minAreaRect: one of its sides lies on one of the outline's. */
export function smallestAround(hull: readonly Point[]): Rectangle {
  let best: Rectangle | undefined;
  hull.forEach((from, i) => {
    const to = hull[(i + 1) % hull.length]!;
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const along: Point = length === 0 ? [1, 0] : [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    const candidate = boundsAlong(hull, along);
    if (!best || candidate.width * candidate.height < best.width * best.height) best = candidate;
  });
  return best!;
}

function boundsAlong(points: readonly Point[], along: Point): Rectangle {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of points) {
    const [u, v] = [x * along[0] + y * along[1], y * along[0] - x * along[1]];
    [left, right] = [Math.min(left, u), Math.max(right, u)];
    [top, bottom] = [Math.min(top, v), Math.max(bottom, v)];
  }
  const [u, v] = [(left + right) / 2, (top + bottom) / 2];
  const centre: Point = [u * along[0] - v * along[1], u * along[1] + v * along[0]];
  return { centre, along, width: right - left, height: bottom - top };
}

/** Each side moved outwards by `ratio` of the area over the girth, as the offset of PP-OCR's unclip. */
export function grown(rectangle: Rectangle, ratio: number): Rectangle {
  const { width, height } = rectangle;
  const distance = (width * height * ratio) / (2 * (width + height) || 1);
  return { ...rectangle, width: width + 2 * distance, height: height + 2 * distance };
}

/** Clockwise from the top left; of the two on the left the upper one, as PP-OCR's get_mini_boxes orders them. */
export function cornersOf({ centre, along, width, height }: Rectangle): [Point, Point, Point, Point] {
  const corner = (across: number, down: number): Point => [
    centre[0] + (across * along[0] * width) / 2 - (down * along[1] * height) / 2,
    centre[1] + (across * along[1] * width) / 2 + (down * along[0] * height) / 2,
  ];
  const byLeft = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)].toSorted((a, b) => a[0] - b[0]);
  const [a, b, c, d] = byLeft as [Point, Point, Point, Point];
  const [topLeft, bottomLeft] = b[1] > a[1] ? [a, b] : [b, a];
  const [topRight, bottomRight] = d[1] > c[1] ? [c, d] : [d, c];
  return [topLeft, topRight, bottomRight, bottomLeft];
}
