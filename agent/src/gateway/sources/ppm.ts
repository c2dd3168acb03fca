/** Eight bits a channel: `P6` is red, green, blue; `P5` grey. */
export type PixelPicture = { width: number; height: number; channels: 1 | 3; pixels: Buffer };
/** `began`: when its first byte was read, in milliseconds since 1970. */
export type CutPicture = PixelPicture & { began: number };

/** Magic, size and depth of what ffmpeg and we write: no comments, one white space each. */
const header = /^P([56])\s(\d{1,5})\s(\d{1,5})\s255\s/;
/** The longest that matches. */
const mostHeaderBytes = 24;

export function ppmHeader({ width, height, channels }: Omit<PixelPicture, 'pixels'>): Buffer {
  return Buffer.from(`P${channels === 3 ? 6 : 5}\n${width} ${height}\n255\n`, 'latin1');
}

/** A stream that is no row of PPM pictures. */
class PpmError extends Error {
  override readonly name = 'PpmError';
}

/** Cuts pictures from a stream of PPM: each byte is copied once, to where its picture stays. */
export class PpmCutter {
  #head = Buffer.alloc(0);
  #picture: CutPicture | undefined;
  #filled = 0;

  /** Throws PpmError. */
  *push(chunk: Buffer): Generator<CutPicture> {
    let rest = chunk;
    while (rest.byteLength > 0) {
      if (!this.#picture) rest = this.#readHead(rest);
      if (!this.#picture) continue;
      rest = rest.subarray(this.#fill(this.#picture, rest));
      if (this.#filled < this.#picture.pixels.byteLength) continue;
      const picture = this.#picture;
      this.#picture = undefined;
      yield picture;
    }
  }

  #fill({ pixels }: PixelPicture, from: Buffer): number {
    const copied = from.copy(pixels, this.#filled);
    this.#filled += copied;
    return copied;
  }

  #readHead(chunk: Buffer): Buffer {
    const seen = Buffer.concat([this.#head, chunk.subarray(0, mostHeaderBytes)]);
    const match = header.exec(seen.toString('latin1'));
    if (!match) {
      if (seen.byteLength >= mostHeaderBytes) throw new PpmError('what came is no picture in PPM');
      this.#head = seen;
      return chunk.subarray(chunk.byteLength);
    }
    const [all, kind, width, height] = match;
    const size = { width: Number(width), height: Number(height), channels: kind === '6' ? (3 as const) : (1 as const) };
    this.#picture = { ...size, began: Date.now(), pixels: Buffer.allocUnsafeSlow(size.width * size.height * size.channels) };
    this.#filled = 0;
    const used = all.length - this.#head.byteLength;
    this.#head = Buffer.alloc(0);
    return chunk.subarray(used);
  }
}
