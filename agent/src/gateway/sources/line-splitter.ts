/** Longer ones are no lines of a sensor: what has no end must not fill the memory. */
export const mostLineBytes = 256 * 1024;

/** `tooLong`: its bytes, which were let go. */
type Line = { text: string } | { tooLong: number };

const newline = 0x0a;

/** Bytes as they come, in pieces of any size, as whole lines; empty ones are passed over. */
export class LineSplitter {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #first = true;

  *push(bytes: Uint8Array): Generator<Line> {
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      this.#keep(bytes.subarray(from, end));
      from = end + 1;
      const line = this.#line();
      if (line) yield line;
    }
    this.#keep(bytes.subarray(from));
  }

  /** What came of a line that has no end yet is forgotten. Tells whether there was some. */
  reset(): boolean {
    const cut = this.#bytes > 0;
    this.#pieces = [];
    this.#bytes = 0;
    this.#first = true;
    return cut;
  }

  #keep(piece: Uint8Array): void {
    this.#bytes += piece.byteLength;
    if (this.#bytes > mostLineBytes) this.#pieces = [];
    // A copy: what is read from next would change a view.
    else if (piece.byteLength > 0) this.#pieces.push(new Uint8Array(piece));
  }

  #line(): Line | undefined {
    const bytes = this.#bytes;
    const text = Buffer.concat(this.#pieces).toString('utf8').replace(/\r+$/, '');
    const first = this.#first;
    this.reset();
    this.#first = false;
    if (bytes > mostLineBytes) return { tooLong: bytes };
    const bare = first ? text.replace(/^\uFEFF/, '') : text;
    return bare.trim() === '' ? undefined : { text: bare };
  }
}
