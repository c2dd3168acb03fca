import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SourceConfig } from '@flotilla/protocol/device';
import { afterAll, describe, expect, test } from 'vitest';
import { onceThrough, sourceNamed } from './source-option.js';

const folder = mkdtempSync(join(tmpdir(), 'flotilla-source-'));
const file = (name: string) => join(folder, name);
for (const name of ['a.jpg', 'b.png', 'c.mjpeg', 'd.wav', '.e.jpg', 'notes.txt']) writeFileSync(file(name), '');
afterAll(() => rmSync(folder, { recursive: true }));

const pictures = SourceConfig.parse({ directory: 'input' });
const sound = SourceConfig.parse({ audio: 'input.wav' });

describe('--source', () => {
  test.each([
    [pictures, folder, { directory: folder, then: 'repeat' }],
    [pictures, file('c.mjpeg'), { video: file('c.mjpeg'), then: 'repeat' }],
    [pictures, 'rtsp://camera/stream', { video: 'rtsp://camera/stream' }],
    [pictures, '/dev/null', { camera: '/dev/null' }],
    [sound, file('d.wav'), { audio: file('d.wav'), kind: 'wav' }],
    [sound, 'alsa:default', { audio: 'default', kind: 'alsa' }],
  ])('%#: is what it says', (own, text, source) => expect(sourceNamed(text, own)).toMatchObject(source));

  test.each([
    [pictures, file('none'), 'There is no '],
    [sound, file('none.wav'), 'or alsa:DEVICE for a microphone'],
    [pictures, file('a.jpg'), 'is one picture: name the folder'],
  ])('%#: says what is wrong', (own, text, why) => expect(() => sourceNamed(text, own)).toThrow(why));
});

describe('--once', () => {
  test('takes each file of a folder once that its source takes notice of', async () => {
    const { source, frames } = await onceThrough(SourceConfig.parse({ directory: folder }));
    expect([source, frames]).toEqual([{ directory: folder, perSecond: 1000, then: 'keep' }, 3]);
  });

  test.each([
    [{ camera: '/dev/video0' }, 'an input that has an end'],
    [{ video: 'rtsp://camera/stream' }, 'an input that has an end'],
    [{ audio: 'default', kind: 'alsa' }, 'an input that has an end'],
  ])('refuses %o', async (source, why) => expect(onceThrough(SourceConfig.parse(source))).rejects.toThrow(why));
});
