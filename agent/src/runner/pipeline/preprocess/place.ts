import type { Resize } from '@flotilla/protocol';

type Size = { width: number; height: number };
/**
 * The size that the whole picture is scaled to, the part of that which is kept, and where this part lies in the result:
 * `left` and `top` are negative where there is a margin.
 */
export type Place = Size & { left: number; top: number };

/**
 * centre-crop: the kept part is `cropFraction` of the shorter side; sizes are rounded half up, the corner down
 * (test/models/README.md has the same in Python). letterbox: the whole picture, as large as it goes in.
 */
export function placeOf(picture: Size, { width, height, fit, cropFraction, place }: Resize): Place {
  if (fit === 'stretch') return { width, height, left: 0, top: 0 };
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

/** The side that decides is met exactly; the other follows. */
function scaledTo(picture: Size, target: Size, decides: (across: number, down: number) => number): Size {
  const [across, down] = [target.width / picture.width, target.height / picture.height];
  return decides(across, down) === across
    ? { width: target.width, height: Math.max(1, Math.round((picture.height * target.width) / picture.width)) }
    : { width: Math.max(1, Math.round((picture.width * target.height) / picture.height)), height: target.height };
}
