import type { Tile } from '@flotilla/protocol/device';
import { type Picture, type Preprocess, type Rgb, expectStage } from '../stages.js';
import { cutOut } from './cut-out.js';

type Corner = { left: number; top: number };

/** A large picture in parts of its own size, which go through the steps that follow one by one. */
export const openTile =
  (options: Tile): Preprocess =>
  (stage) => {
    const picture = expectStage(stage, 'picture');
    const { width, height } = tileSize(picture, options);
    const { left, top, ...whole } = picture.cut ?? { left: 0, top: 0, width: picture.width, height: picture.height };
    // Decoded once, for all.
    const pixels = once(picture.pixels);
    const tiles = corners(picture, options).map((corner): Picture => ({
      ...picture,
      pixels: async () => cutOut(await pixels(), { ...corner, width, height }),
      width,
      height,
      cut: { left: left + corner.left, top: top + corner.top, ...whole },
    }));
    return { kind: 'tiles', tiles };
  };

function once(pixels: () => Promise<Rgb>): () => Promise<Rgb> {
  let held: Promise<Rgb> | undefined;
  return () => (held ??= pixels());
}

/** A picture that is smaller than a tile is one. */
const tileSize = (picture: { width: number; height: number }, { width, height }: Tile) => ({
  width: Math.min(width, picture.width),
  height: Math.min(height, picture.height),
});

/** Row by row. The last of a row and the last row end at the picture's edge: they overlap more. */
export function corners(picture: { width: number; height: number }, tile: Tile): Corner[] {
  const { width, height } = tileSize(picture, tile);
  const [across, down] = [starts(picture.width, width, tile.overlap), starts(picture.height, height, tile.overlap)];
  const count = across.length * down.length;
  const { most = 64 } = tile;
  if (count > most)
    throw new Error(`it is ${picture.width}×${picture.height}, which is ${count} tiles; the release takes ${most} at most`);
  return down.flatMap((top) => across.map((left) => ({ left, top })));
}

function starts(length: number, size: number, overlap: number): number[] {
  const last = length - size;
  const count = 1 + Math.ceil(last / Math.max(1, size - overlap));
  return Array.from({ length: count }, (_, i) => Math.min(last, i * (size - overlap)));
}
