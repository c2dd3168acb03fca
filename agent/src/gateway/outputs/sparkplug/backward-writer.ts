/**
 * Protocol Buffers, written from the end to the start: how long a message is, is known when its length comes to be written. One at a time: all
 * share one buffer, of which `bytes` makes a copy.
 */
export class BackwardWriter {
  static #shared = Buffer.allocUnsafe(16_384);
  #at = BackwardWriter.#shared.length;

  /** Of what is written so far. */
  get length(): number {
    return BackwardWriter.#shared.length - this.#at;
  }

  bytes(): Buffer {
    return Buffer.from(BackwardWriter.#shared.subarray(this.#at));
  }

  /** Not below zero. */
  integer(field: number, value: number): void {
    this.#varint(value);
    this.#tag(field, 0);
  }

  double(field: number, value: number): void {
    this.#room(8);
    this.#at -= 8;
    BackwardWriter.#shared.writeDoubleLE(value, this.#at);
    this.#tag(field, 1);
  }

  text(field: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.#room(length);
    this.#at -= length;
    BackwardWriter.#shared.write(text, this.#at);
    this.#varint(length);
    this.#tag(field, 2);
  }

  /** What was written since `length` was `end` is a message of its own. */
  endOfMessage(field: number, end: number): void {
    this.#varint(this.length - end);
    this.#tag(field, 2);
  }

  /** Of fields up to 15. */
  #tag(field: number, wire: number): void {
    this.#room(1);
    BackwardWriter.#shared[--this.#at] = field * 8 + wire;
  }

  #varint(value: number): void {
    let length = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
    this.#room(length);
    this.#at -= length;
    let rest = value;
    for (let i = 0; i < length - 1; i++) {
      BackwardWriter.#shared[this.#at + i] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    BackwardWriter.#shared[this.#at + length - 1] = rest;
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return;
    const { length } = this;
    const larger = Buffer.allocUnsafe(2 * (BackwardWriter.#shared.length + bytes));
    BackwardWriter.#shared.copy(larger, larger.length - length, this.#at);
    this.#at = larger.length - length;
    BackwardWriter.#shared = larger;
  }
}
