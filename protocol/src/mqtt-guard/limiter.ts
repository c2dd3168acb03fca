/** What one connection may do; the numbers are per connection. */
export interface ConnectionLimits {
  /** Larger packets end the connection before their content is read. */
  maxPacketBytes: number;
  packetsPerS: number;
  packetBurst: number;
  bytesPerS: number;
  byteBurst: number;
  /** A connection that stays over its packet rate for this long is dropped; over its byte rate it is only slowed. */
  dropAfterMs: number;
}

export type DropReason = 'oversize' | 'malformed' | 'flood';
export type Verdict = { drop: DropReason } | { waitMs: number };

interface Bucket {
  tokens: number;
  at: number;
}

/** Follows MQTT's fixed headers through a byte stream (MQTT 3.1.1 section 2.2) and counts packets and bytes. No clock, no IO. */
export class Limiter {
  readonly #packets: Bucket;
  readonly #bytes: Bucket;
  /** Bytes of the current packet's body that are still to come. */
  #body = 0;
  /** Within a fixed header: its length so far, decoded; null at a packet's first byte. */
  #header: { length: number; multiplier: number } | null = null;
  #overSince: number | null = null;

  constructor(
    private readonly limits: ConnectionLimits,
    now: number,
  ) {
    this.#packets = { tokens: limits.packetBurst, at: now };
    this.#bytes = { tokens: limits.byteBurst, at: now };
  }

  /** The chunk may be handed on, unless told to drop; after it nothing is to be read for `waitMs`. */
  admit(chunk: Uint8Array, now: number): Verdict {
    const packets = this.#countPackets(chunk);
    if (typeof packets === 'string') return { drop: packets };
    const packetWait = spend(this.#packets, packets, { perS: this.limits.packetsPerS, burst: this.limits.packetBurst }, now);
    const byteWait = spend(this.#bytes, chunk.length, { perS: this.limits.bytesPerS, burst: this.limits.byteBurst }, now);
    if (packetWait === 0) this.#overSince = null;
    else this.#overSince ??= now;
    // A device that empties a long backlog is over its bytes for minutes, and rightly so.
    if (this.#overSince !== null && now - this.#overSince >= this.limits.dropAfterMs) return { drop: 'flood' };
    return { waitMs: Math.max(packetWait, byteWait) };
  }

  #countPackets(chunk: Uint8Array): number | DropReason {
    let packets = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, chunk.length - at);
        this.#body -= taken;
        at += taken;
        continue;
      }
      const refused = this.#headerByte(chunk[at]!);
      if (refused) return refused;
      if (this.#header === null) packets++;
      at++;
    }
    return packets;
  }

  #headerByte(byte: number): DropReason | null {
    if (this.#header === null) {
      this.#header = { length: 0, multiplier: 1 };
      // Types 0 and 15 do not exist in MQTT 3.1.1.
      return byte >> 4 === 0 || byte >> 4 === 15 ? 'malformed' : null;
    }
    this.#header.length += (byte & 0x7f) * this.#header.multiplier;
    this.#header.multiplier *= 128;
    if (this.#header.length > this.limits.maxPacketBytes) return 'oversize';
    // At most four length bytes (section 2.2.3).
    if (byte & 0x80) return this.#header.multiplier >= 128 ** 4 ? 'malformed' : null;
    this.#body = this.#header.length;
    this.#header = null;
    return null;
  }
}

/** Takes the tokens, into debt if need be, and says how long that debt takes to pay off. */
function spend(bucket: Bucket, amount: number, rate: { perS: number; burst: number }, now: number): number {
  bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.at) / 1000) * rate.perS) - amount;
  bucket.at = now;
  return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens / rate.perS) * 1000);
}
