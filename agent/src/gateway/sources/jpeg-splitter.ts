/** Of a stream of JPEGs: each whole, and when its first byte was read. */
export type SplitJpeg = { jpeg: Buffer; began: number };

/** Second bytes of markers. */
const [soi, eoi, sos, temporary, restarts] = [0xd8, 0xd9, 0xda, 0x01, { first: 0xd0, last: 0xd7 }] as const;
const isRestart = (byte: number) => byte >= restarts.first && byte <= restarts.last;
const startBytes = 64 * 1024;

/**
 * Takes pictures from concatenated JPEGs, with or without something else in between. Segments are passed over by their lengths: a
 * thumbnail or a comment within one may hold every marker. One that is cut off, or larger than `mostBytes`, is left out.
 */
export class JpegSplitter {
  #buffer = Buffer.allocUnsafeSlow(startBytes);
  #filled = 0;
  /** Where to look on; the picture begins at 0. */
  #at = 0;
  #place: 'outside' | 'segments' | 'scan' = 'outside';
  #began = 0;
  /** Pictures that were left out. */
  broken = 0;

  constructor(private readonly mostBytes = 64 * 1024 * 1024) {}

  *push(chunk: Buffer): Generator<SplitJpeg> {
    this.#append(chunk);
    for (;;) {
      const found = this.#step();
      if (found === 'more') break;
      if (found) yield found;
    }
    if (this.#filled > this.mostBytes) this.#leaveOut(this.#filled);
  }

  /** Looks on from where it is; `more`: what is needed has not come yet. */
  #step(): SplitJpeg | 'more' | undefined {
    if (this.#place === 'outside') return this.#findStart();
    return this.#place === 'scan' ? this.#passScan() : this.#passSegment();
  }

  #findStart(): 'more' | undefined {
    const start = this.#bytes.indexOf(Buffer.of(0xff, soi));
    // A last 0xff may be half a marker.
    if (start < 0) return this.#drop(this.#bytes.at(-1) === 0xff ? this.#filled - 1 : this.#filled);
    this.#drop(start);
    this.#began = Date.now();
    this.#at = 2;
    this.#place = 'segments';
    return undefined;
  }

  #passSegment(): SplitJpeg | 'more' | undefined {
    const bytes = this.#bytes;
    if (this.#at + 2 > bytes.byteLength) return 'more';
    const marker = bytes[this.#at + 1]!;
    if (bytes[this.#at] !== 0xff) return this.#leaveOut(this.#at);
    if (marker === 0xff) return void (this.#at += 1);
    if (marker === eoi) return this.#cut();
    // The one before was cut off.
    if (marker === soi) return this.#leaveOut(this.#at);
    if (marker === temporary || isRestart(marker)) return void (this.#at += 2);
    if (this.#at + 4 > bytes.byteLength) return 'more';
    const length = bytes.readUInt16BE(this.#at + 2);
    if (length < 2) return this.#leaveOut(this.#at);
    this.#at += 2 + length;
    if (marker === sos) this.#place = 'scan';
    return undefined;
  }

  /** Compressed data goes on until a marker that is neither a stuffed 0xff nor a restart. */
  #passScan(): 'more' | undefined {
    const bytes = this.#bytes;
    if (this.#at >= bytes.byteLength) return 'more';
    const mark = bytes.indexOf(0xff, this.#at);
    this.#at = mark < 0 ? bytes.byteLength : mark;
    if (this.#at + 1 >= bytes.byteLength) return 'more';
    const next = bytes[this.#at + 1]!;
    if (next === 0 || isRestart(next)) this.#at += 2;
    else this.#place = 'segments';
    return undefined;
  }

  #cut(): SplitJpeg {
    const length = this.#at + 2;
    const jpeg = Buffer.allocUnsafeSlow(length);
    this.#buffer.copy(jpeg, 0, 0, length);
    this.#drop(length);
    this.#place = 'outside';
    return { jpeg, began: this.#began };
  }

  #leaveOut(upTo: number): undefined {
    this.broken += 1;
    this.#drop(upTo);
    this.#place = 'outside';
  }

  #drop(count: number): 'more' {
    this.#buffer.copyWithin(0, count, this.#filled);
    this.#filled -= count;
    this.#at = 0;
    return 'more';
  }

  get #bytes(): Buffer {
    return this.#buffer.subarray(0, this.#filled);
  }

  #append(chunk: Buffer): void {
    const needed = this.#filled + chunk.byteLength;
    if (needed > this.#buffer.byteLength) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.byteLength, needed));
      this.#buffer.copy(grown, 0, 0, this.#filled);
      this.#buffer = grown;
    }
    chunk.copy(this.#buffer, this.#filled);
    this.#filled = needed;
  }
}
