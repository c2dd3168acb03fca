type Point = readonly [number, number];

/** Tops that differ by less stand in one line; PP-OCR's own number, in pixels. */
const sameLine = 10;

/** As PP-OCR's sorted_boxes: by the top left corner, from the top and from the left; neighbours in one line change places. */
export function inReadingOrder<T>(items: readonly T[], cornerOf: (item: T) => Point): T[] {
  const placed = items
    .map((item) => ({ item, at: cornerOf(item) }))
    .toSorted(({ at: a }, { at: b }) => a[1] - b[1] || a[0] - b[0]);
  for (let i = 0; i + 1 < placed.length; i++)
    for (let j = i; j >= 0; j--) {
      const [before, after] = [placed[j]!, placed[j + 1]!];
      if (Math.abs(after.at[1] - before.at[1]) >= sameLine || after.at[0] >= before.at[0]) break;
      [placed[j], placed[j + 1]] = [after, before];
    }
  return placed.map(({ item }) => item);
}
