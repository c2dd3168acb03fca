/** Interleaved, within −1 … 1. */
export type Sound = { rate: number; channels: number; data: Float32Array };
type Format = { code: number; channels: number; rate: number; blockBytes: number; bits: number };
/** Reads the sample that begins at a byte. */
type Read = (view: DataView, at: number) => number;

const [pcm, float, extensible] = [1, 3, 0xfffe];
const codecs: Readonly<Record<number, string>> = { 2: 'ADPCM', 6: 'A-law', 7: 'µ-law', 0x11: 'ADPCM', 0x55: 'MP3' };
const mostChannels = 64;
/** What a header says that was written before the length was known. */
const unknownSizes = new Set([0, 0xffffffff]);

/** A whole WAV file: integers of 8, 16, 24 and 32 bits, floats of 32 and 64. Throws a sentence without a subject: `it …`. */
export function readWav(bytes: Uint8Array): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkHead(view);
  const { format, data } = chunksOf(view);
  const read = readerOf(format);
  const { channels, rate, blockBytes } = format;
  const sampleBytes = blockBytes / channels;
  const samples = new Float32Array(Math.floor(data.length / blockBytes) * channels);
  for (let i = 0, at = data.start; i < samples.length; i++, at += sampleBytes) samples[i] = read(view, at);
  if (format.code === float && !samples.every(Number.isFinite)) throw new Error('it holds NaN or infinity');
  return { rate, channels, data: samples };
}

function checkHead(view: DataView): void {
  if (view.byteLength < 12) throw new Error(`it is no WAV: it has ${view.byteLength} bytes`);
  const [riff, wave] = [tagAt(view, 0), tagAt(view, 8)];
  if (riff === 'RF64' || riff === 'RIFX') throw new Error(`it is ${riff}, of which only the plain form RIFF is read`);
  if (riff !== 'RIFF' || wave !== 'WAVE') throw new Error('it is no WAV: it does not begin with RIFF and WAVE');
}

/** Other chunks (names, cue points) are passed over. */
function chunksOf(view: DataView): { format: Format; data: { start: number; length: number } } {
  let format: Format | undefined;
  for (let at = 12; at + 8 <= view.byteLength;) {
    const [tag, size, start] = [tagAt(view, at), view.getUint32(at + 4, true), at + 8];
    if (tag === 'fmt ') format = formatAt(view, start, size);
    if (tag === 'data') {
      if (!format) throw new Error('its data comes before its format');
      return { format, data: { start, length: dataLength(view, start, size) } };
    }
    // Chunks begin at even bytes.
    at = start + size + (size % 2);
  }
  throw new Error(format ? 'it ends before its data' : 'it ends before its format');
}

function dataLength(view: DataView, start: number, size: number): number {
  const there = view.byteLength - start;
  if (unknownSizes.has(size)) return there;
  if (size > there) throw new Error(`it is cut off: ${there} of ${size} bytes of its data are there`);
  return size;
}

function formatAt(view: DataView, at: number, size: number): Format {
  if (size < 16 || at + size > view.byteLength) throw new Error('its format is cut off');
  const written = view.getUint16(at, true);
  // The extensible form has the real code at the head of a GUID.
  const code = written === extensible && size >= 40 ? view.getUint16(at + 24, true) : written;
  const format = {
    code,
    channels: view.getUint16(at + 2, true),
    rate: view.getUint32(at + 4, true),
    blockBytes: view.getUint16(at + 12, true),
    bits: view.getUint16(at + 14, true),
  };
  checkFormat(format);
  return format;
}

function checkFormat({ code, channels, rate, blockBytes, bits }: Format): void {
  if (code !== pcm && code !== float) throw new Error(`it holds ${codecs[code] ?? `the codec ${code}`}; PCM and floats are read`);
  if (channels < 1 || channels > mostChannels) throw new Error(`it has ${channels} channels, expected 1 to ${mostChannels}`);
  if (rate < 1) throw new Error('it has no sample rate');
  if (!readers[`${code}:${bits}`])
    throw new Error(`it has ${bits} bits a sample, which ${code === pcm ? 'PCM' : 'float'} is not read with`);
  if (blockBytes !== (channels * bits) / 8)
    throw new Error(`its header contradicts itself: ${channels} channels of ${bits} bits in ${blockBytes} bytes`);
}

const readers: Readonly<Record<string, Read>> = {
  [`${pcm}:8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${pcm}:16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${pcm}:24`]: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23,
  [`${pcm}:32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${float}:32`]: (view, at) => view.getFloat32(at, true),
  [`${float}:64`]: (view, at) => view.getFloat64(at, true),
};
const readerOf = ({ code, bits }: Format): Read => readers[`${code}:${bits}`]!;

const tagAt = (view: DataView, at: number) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
