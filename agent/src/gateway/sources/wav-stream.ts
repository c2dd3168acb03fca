/** What a WAV stream's header says of the samples after it. */
export type WavFormat = { rate: number; channels: number };

/** In the order of the stream: a header, then samples, interleaved by channel, within −1…1. */
export type WavPart = { format: WavFormat } | { samples: Float32Array };

/** A stream that is no WAV, or one of a kind that is not read. */
export class WavError extends Error {
  override readonly name = 'WavError';
}

type Encoding = { bytes: number; read: (view: DataView, at: number) => number };
/** RIFF's own sample formats, by tag and bits; integers are full scale at 2^(bits − 1), as libsndfile has it. */
const encodings: Readonly<Record<string, Encoding>> = {
  '1/8': { bytes: 1, read: (view, at) => (view.getUint8(at) - 128) / 128 },
  '1/16': { bytes: 2, read: (view, at) => view.getInt16(at, true) / 32_768 },
  '1/24': { bytes: 3, read: (view, at) => (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8_388_608 },
  '1/32': { bytes: 4, read: (view, at) => view.getInt32(at, true) / 2_147_483_648 },
  '3/32': { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  '3/64': { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};
const extensible = 0xfffe;
/** Of a format, which has 40 as a rule. */
const mostFormatBytes = 1024;

/** Bytes as they come, in pieces of any size; a stream may hold several files, one after the other, each with a format of its own. */
export class WavStream {
  #rest = new Uint8Array();
  #begun = false;
  #format: WavFormat | undefined;
  #encoding: Encoding | undefined;
  /** Bytes of samples that are still to come, then bytes to pass over. */
  #data = 0;
  #skip = 0;

  /** Throws WavError. */
  *push(bytes: Uint8Array): Generator<WavPart> {
    this.#rest = joined(this.#rest, bytes);
    for (;;) {
      const before = this.#rest.byteLength;
      const part = this.#next();
      if (part) yield part;
      else if (this.#rest.byteLength === before) return;
    }
  }

  #take(count: number): Uint8Array {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  #next(): WavPart | undefined {
    if (this.#data > 0) return this.#samples();
    if (this.#skip > 0) {
      this.#skip -= this.#take(Math.min(this.#skip, this.#rest.byteLength)).byteLength;
      return undefined;
    }
    return this.#rest.byteLength < 8 ? undefined : this.#chunk();
  }

  #samples(): WavPart | undefined {
    const frame = this.#encoding!.bytes * this.#format!.channels;
    if (this.#data < frame) {
      // An announced length that ends within a frame.
      this.#skip += this.#data;
      this.#data = 0;
      return this.#next();
    }
    const frames = Math.floor(Math.min(this.#rest.byteLength, this.#data) / frame);
    if (frames === 0) return undefined;
    this.#data -= frames * frame;
    return { samples: decoded(this.#take(frames * frame), this.#encoding!) };
  }

  #chunk(): WavPart | undefined {
    const { id, size } = chunkHead(this.#rest);
    if (id === 'RIFF' || id === 'RF64') return this.#riff();
    if (!this.#begun) throw new WavError('it does not begin as a WAV stream does (RIFF, then WAVE)');
    if (!/^[ -~]{4}$/.test(id)) throw new WavError('what follows its samples is no WAV');
    if (id === 'fmt ') return this.#formatChunk(size);
    this.#take(8);
    if (id === 'data') this.#begin(size);
    else this.#skip = size + (size % 2);
    return undefined;
  }

  #riff(): undefined {
    if (this.#rest.byteLength < 12) return;
    const kind = String.fromCharCode(...this.#take(12).subarray(8));
    if (kind !== 'WAVE') throw new WavError(`it is a RIFF stream, but of the kind "${kind}"`);
    this.#begun = true;
    this.#encoding = undefined;
  }

  #formatChunk(size: number): WavPart | undefined {
    if (size < 16 || size > mostFormatBytes) throw new WavError(`its format is announced with ${size} bytes`);
    if (this.#rest.byteLength < 8 + size) return undefined;
    const chunk = this.#take(8 + size);
    this.#skip = size % 2;
    const { format, encoding } = read(new DataView(chunk.buffer, chunk.byteOffset + 8, size));
    this.#encoding = encoding;
    this.#format = format;
    return { format };
  }

  #begin(size: number): void {
    if (!this.#encoding) throw new WavError('its samples come before their format');
    // Writers that can not seek announce 0 or the greatest number: all that follows are samples.
    this.#data = size === 0 || size >= 0xffff_f000 ? Infinity : size;
    this.#skip = Number.isFinite(this.#data) ? size % 2 : 0;
  }
}

function read(chunk: DataView): { format: WavFormat; encoding: Encoding } {
  const written = chunk.getUint16(0, true);
  // The extensible form has the tag in the first two bytes of a GUID.
  const tag = written === extensible && chunk.byteLength >= 26 ? chunk.getUint16(24, true) : written;
  const [channels, rate, bits] = [chunk.getUint16(2, true), chunk.getUint32(4, true), chunk.getUint16(14, true)];
  const encoding = encodings[`${tag}/${bits}`];
  if (!encoding)
    throw new WavError(`its samples have the format ${tag} with ${bits} bits: PCM with 8, 16, 24 or 32 bits and floats are read`);
  if (channels < 1 || channels > 64) throw new WavError(`it has ${channels} channels`);
  if (rate < 1 || rate > 1_000_000) throw new WavError(`it has ${rate} samples a second`);
  return { format: { rate, channels }, encoding };
}

function decoded(bytes: Uint8Array, { bytes: width, read: sample }: Encoding): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength / width);
  for (let i = 0; i < samples.length; i += 1) samples[i] = sample(view, i * width);
  return samples;
}

function chunkHead(bytes: Uint8Array): { id: string; size: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return { id: String.fromCharCode(...bytes.subarray(0, 4)), size: view.getUint32(4, true) };
}

function joined(rest: Uint8Array, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(rest.byteLength + bytes.byteLength);
  both.set(rest);
  both.set(bytes, rest.byteLength);
  return both;
}
