import type { Resize } from '@flotilla/protocol/device';
import type { Part, Size } from '../stages.js';

/**
 * The size that the whole picture is scaled to, the part of that which is kept, and where this part lies in the result:
 * `left` and `top` are negative where there is a margin.
 */
export type Place = Part;

/** What the result's size is: the release's own, unless it follows from the picture's. */
export function frameOf(picture: Size, options: Resize): Size {
  const { width, height, fit, minWidth = 1 } = options;
  if (fit === 'within') return placeOf(picture, options);
  return fit === 'height' ? { width: Math.max(minWidth, placeOf(picture, options).width), height } : { width, height };
}

/**
 * centre-crop: the kept part is `cropFraction` of the shorter side; sizes are rounded half up, the corner down
 * (test/models/README.md has the same in Python). letterbox: the whole picture, as large as it goes in.
 */
export function placeOf(picture: Size, { width, height, fit, cropFraction, place, multipleOf = 1 }: Resize): Place {
  if (fit === 'stretch') return { width, height, left: 0, top: 0 };
  if (fit === 'within') return { ...within(picture, { width, height }, multipleOf), left: 0, top: 0 };
  if (fit === 'height') {
    const scaled = Math.min(width, Math.ceil((height * picture.width) / picture.height));
    return { width: Math.max(1, scaled), height, left: 0, top: 0 };
  }
  if (fit === 'letterbox') {
    const scaled = scaledTo(picture, { width, height }, Math.min);
    if (place === 'top-left') return { ...scaled, left: 0, top: 0 };
    return { ...scaled, left: -Math.floor((width - scaled.width) / 2), top: -Math.floor((height - scaled.height) / 2) };
  }
  const scaled = scaledTo(
    picture,
    { width: Math.round(width / cropFraction), height: Math.round(height / cropFraction) },
    Math.max,
  );
  return { ...scaled, left: Math.floor((scaled.width - width) / 2), top: Math.floor((scaled.height - height) / 2) };
}

/** As PP-OCR's DetResizeForTest: whole pixels first, cut off, then the nearest multiple. */
function within(picture: Size, most: Size, multiple: number): Size {
  const ratio = Math.min(1, most.width / picture.width, most.height / picture.height);
  const side = (pixels: number) => Math.max(multiple, halfToEven(Math.floor(pixels * ratio) / multiple) * multiple);
  return { width: side(picture.width), height: side(picture.height) };
}

/** As Python and numpy round. */
function halfToEven(value: number): number {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2) : Math.round(value);
}

/** The side that decides is met exactly; the other follows. */
function scaledTo(picture: Size, target: Size, decides: (across: number, down: number) => number): Size {
  const [across, down] = [target.width / picture.width, target.height / picture.height];
  return decides(across, down) === across
    ? { width: target.width, height: Math.max(1, Math.round((picture.height * target.width) / picture.width)) }
    : { width: Math.max(1, Math.round((picture.width * target.height) / picture.height)), height: target.height };
}
