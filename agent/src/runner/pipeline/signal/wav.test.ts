import fc from 'fast-check';
import { expect, test } from 'vitest';
import { vectors } from './fixtures/vectors.js';
import { readWav } from './wav.js';

const stereo = vectors.wavs.find(({ what }) => what === 'WAV PCM_16')!;
/** Where its header's fields lie, and where its samples begin. */
const [code, channels, rate, block, bits, dataSize, start] = [20, 22, 24, 32, 34, 40, 44] as const;

function changed(change: (view: DataView) => void): Uint8Array {
  const file = stereo.file.slice();
  change(new DataView(file.buffer));
  return file;
}

test.each<[string, Uint8Array, string]>([
  ['an empty file', new Uint8Array(), 'it is no WAV: it has 0 bytes'],
  ['text', new TextEncoder().encode('this is no sound at all'), 'it is no WAV: it does not begin with RIFF and WAVE'],
  [
    'another byte order',
    changed((view) => view.setUint8(3, 'X'.charCodeAt(0))),
    'it is RIFX, of which only the plain form RIFF is read',
  ],
  ['only a head', stereo.file.subarray(0, 12), 'it ends before its format'],
  ['half a format', stereo.file.subarray(0, 30), 'its format is cut off'],
  ['a format alone', stereo.file.subarray(0, 36), 'it ends before its data'],
  ['half its samples', stereo.file.subarray(0, start + 100), 'it is cut off: 100 of 200 bytes of its data are there'],
  ['MP3 inside', changed((view) => view.setUint16(code, 0x55, true)), 'it holds MP3; PCM and floats are read'],
  ['a strange codec', changed((view) => view.setUint16(code, 0x1234, true)), 'it holds the codec 4660; PCM and floats are read'],
  ['no channels', changed((view) => view.setUint16(channels, 0, true)), 'it has 0 channels, expected 1 to 64'],
  ['no rate', changed((view) => view.setUint32(rate, 0, true)), 'it has no sample rate'],
  ['12 bits', changed((view) => view.setUint16(bits, 12, true)), 'it has 12 bits a sample, which PCM is not read with'],
  [
    'a wrong block size',
    changed((view) => view.setUint16(block, 7, true)),
    'its header contradicts itself: 2 channels of 16 bits in 7 bytes',
  ],
])('%s is refused with a sentence', (_what, file, message) => {
  expect(() => readWav(file)).toThrow(new Error(message));
});

test('floats that are no numbers are refused', () => {
  const { file } = vectors.wavs.find(({ what }) => what === 'WAV FLOAT')!;
  const broken = file.slice();
  new DataView(broken.buffer).setFloat32(broken.length - 4, Number.NaN, true);
  expect(() => readWav(broken)).toThrow('it holds NaN or infinity');
});

test.each([0, 0xffffffff])('a stream whose length was not known when its head was written (%d) is read to its end', (size) => {
  const file = changed((view) => view.setUint32(dataSize, size, true));
  expect(readWav(file).data).toEqual(stereo.samples);
  expect(readWav(file.subarray(0, -3)).data).toEqual(stereo.samples.subarray(0, -2));
});

test('chunks of an odd size before the samples are passed over', () => {
  const list = Uint8Array.of(...new TextEncoder().encode('LIST'), 3, 0, 0, 0, 1, 2, 3, 0);
  const file = Buffer.concat([stereo.file.subarray(0, 36), list, stereo.file.subarray(36)]);
  expect(readWav(file).data).toEqual(stereo.samples);
});

test('whatever is broken in it, it is read or refused with a sentence, never read beyond its end', () => {
  const files = fc.constantFrom(...vectors.wavs.map(({ file }) => file));
  const flips = fc.array(fc.tuple(fc.nat(70), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(files, flips, fc.nat(300), (file, changes, length) => {
      const broken = file.slice(0, length);
      for (const [at, value] of changes) if (at < broken.length) broken[at] = value;
      try {
        expect(readWav(broken).data.length).toBeLessThanOrEqual(broken.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/^its? [a-z]/);
      }
    }),
  );
});
