export type Point = readonly [x: number, y: number];
/** Row by row; the last element is 1 unless the plane is seen at an angle. */
export type Transform = readonly [number, number, number, number, number, number, number, number, number];

export const identity: Transform = [1, 0, 0, 0, 1, 0, 0, 0, 1];
export const shifted = (x: number, y: number): Transform => [1, 0, x, 0, 1, y, 0, 0, 1];

export function applied([a, b, c, d, e, f, g, h, i]: Transform, [x, y]: Point): [number, number] {
  const depth = g * x + h * y + i;
  return [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth];
}

/** First `inner`, then `outer`. */
export function composed(outer: Transform, inner: Transform): Transform {
  const cell = (row: number, column: number) =>
    [0, 1, 2].reduce((sum, k) => sum + outer[row * 3 + k]! * inner[k * 3 + column]!, 0);
  return Array.from({ length: 9 }, (_, at) => cell(Math.floor(at / 3), at % 3)) as unknown as Transform;
}

/** Boxes stay boxes: sides that were upright are so afterwards. */
export const keepsUpright = ([, b, , d, , , g, h]: Transform) => b === 0 && d === 0 && g === 0 && h === 0;

/** A rectangle's corners onto four points, clockwise from the top left (Heckbert 1989, the unit square onto a quadrilateral). */
export function ontoQuad({ width, height }: { width: number; height: number }, quad: readonly Point[]): Transform {
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = quad as readonly [Point, Point, Point, Point];
  const [dx1, dx2, dx3] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, dy3] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const area = dx1 * dy2 - dx2 * dy1;
  const g = (dx3 * dy2 - dx2 * dy3) / area;
  const h = (dx1 * dy3 - dx3 * dy1) / area;
  const [a, b, d, e] = [x1 - x0 + g * x1, x3 - x0 + h * x3, y1 - y0 + g * y1, y3 - y0 + h * y3];
  return [a / width, b / height, x0, d / width, e / height, y0, g / width, h / height, 1];
}
