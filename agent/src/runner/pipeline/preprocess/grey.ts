/** ITU-R BT.601 with Pillow's integers: 0.299, 0.587, 0.114 in units of 2⁻¹⁶, rounded. */
export function grey(rgb: Uint8Array): Uint8Array {
  const levels = new Uint8Array(rgb.length / 3);
  for (let i = 0, at = 0; i < levels.length; i++, at += 3)
    levels[i] = (rgb[at]! * 19595 + rgb[at + 1]! * 38470 + rgb[at + 2]! * 7471 + 0x8000) >> 16;
  return levels;
}
