import { z } from 'zod';
import { stepsOverTime } from './over-time.js';

/** Parts of a large picture, in its pixels, each an inference of its own; what is found is put together. `most`: more tiles are refused. */
export const Tile = z
  .strictObject({
    width: z.int().min(16).max(8192),
    height: z.int().min(16).max(8192),
    overlap: z.int().min(0).max(4096),
    most: z.int().min(1).max(1024).optional(),
  })
  .refine(({ width, height, overlap }) => overlap < Math.min(width, height), {
    path: ['overlap'],
    message: 'must be below width and height',
  });
export type Tile = z.infer<typeof Tile>;

/** What each tile is turned to by itself; the others read what all tiles came to. */
export const tileSteps: ReadonlySet<string> = new Set(['softmax', 'sigmoid', 'ssd-boxes', 'yolo-boxes', 'areas']);
const togetherSteps: ReadonlySet<string> = new Set(['nms', 'top-k', 'multi-label', 'anomaly', ...stepsOverTime]);
const findingSteps: ReadonlySet<string> = new Set(['ssd-boxes', 'yolo-boxes', 'areas', 'top-k', 'multi-label', 'anomaly']);

type Tiling = { preprocess: readonly object[]; postprocess: readonly object[]; recurrent?: readonly object[] | undefined };

/** Why what the tiles find can't be put together; undefined where it can, or where there are no tiles. */
export function tileProblem({ preprocess, postprocess, recurrent = [] }: Tiling): string | undefined {
  if (!preprocess.some((step) => 'tile' in step)) return undefined;
  if (recurrent.length > 0) return 'preprocess has tile, and recurrent inputs go from picture to picture: one of the two';
  const names = postprocess.map((step) => Object.keys(step).join());
  const stranger = names.find((name) => !tileSteps.has(name) && !togetherSteps.has(name));
  if (stranger !== undefined) return `preprocess has tile, and what ${stranger} finds in many tiles can't be put together`;
  if (!names.some((name) => findingSteps.has(name)))
    return `preprocess has tile, which needs a step that finds something in postprocess: one of ${[...findingSteps].join(', ')}`;
  return undefined;
}
