import { type Transform, composed, identity } from './transform.js';

/** A picture of a graph: red, green and blue, and where its pixels lie in the picture that the release was asked with. */
export type Scene = { data: Uint8Array; width: number; height: number; toWhole: Transform };

export const wholeScene = (data: Uint8Array, width: number, height: number): Scene => ({
  data,
  width,
  height,
  toWhole: identity,
});

/** Clockwise. */
export function turned(scene: Scene, degrees: 90 | 180 | 270): Scene {
  const { data, width, height } = scene;
  const size = degrees === 180 ? { width, height } : { width: height, height: width };
  const turn = turns[degrees](scene);
  const result = new Uint8Array(data.length);
  for (let y = 0, at = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++, at += 3) {
      const from = turn.from(x, y) * 3;
      result[at] = data[from]!;
      result[at + 1] = data[from + 1]!;
      result[at + 2] = data[from + 2]!;
    }
  return { data: result, ...size, toWhole: composed(scene.toWhole, turn.back) };
}

type Turn = { from: (x: number, y: number) => number; back: Transform };
const turns: Record<90 | 180 | 270, (size: { width: number; height: number }) => Turn> = {
  90: ({ width, height }) => ({ from: (x, y) => (height - 1 - x) * width + y, back: [0, 1, 0, -1, 0, height, 0, 0, 1] }),
  180: ({ width, height }) => ({
    from: (x, y) => (height - 1 - y) * width + width - 1 - x,
    back: [-1, 0, width, 0, -1, height, 0, 0, 1],
  }),
  270: ({ width }) => ({ from: (x, y) => x * width + width - 1 - y, back: [0, -1, width, 1, 0, 0, 0, 0, 1] }),
};
