/** Frees the memory now, and not when the collector gets to it; where it is shared with other bytes, not at all. */
export function free({ buffer, byteLength }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
}
