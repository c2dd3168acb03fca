import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type SourceConfig, SourceConfig as Schema } from '@flotilla/protocol/device';
import { StartError } from '../supervisor/start-error.js';

const isUrl = (text: string) => /^[a-z][a-z\d+.-]+:\/\//i.test(text);
const picture = /\.(jpe?g|png|webp)$/i;
/** What a source of a folder takes notice of. */
const noticed = /^[^.].*\.(jpe?g|png|webp|json|wav)$/i;
/** Pictures that lie in a folder stay long enough to be looked at. */
const perSecond = 0.5;

/** What `--source` names, in place of the example's own input. Throws StartError. */
export function sourceNamed(text: string, own: SourceConfig): SourceConfig {
  return Schema.parse('audio' in own ? sound(text) : pictures(text));
}

function sound(text: string): unknown {
  const device = /^alsa:(.+)$/.exec(text)?.[1];
  if (device !== undefined) return { audio: device, kind: 'alsa' };
  const file = resolve(text);
  if (!kindOf(file)) throw missing(text, 'a WAV file, or alsa:DEVICE for a microphone (alsa:default)');
  return { audio: file, then: 'repeat' };
}

function pictures(text: string): unknown {
  if (isUrl(text)) return { video: text };
  const path = resolve(text);
  const kind = kindOf(path);
  if (kind === 'folder') return { directory: path, perSecond, then: 'repeat' };
  if (kind === 'device') return { camera: path };
  if (kind === 'file' && picture.test(path))
    throw new StartError('config', `${text} is one picture: name the folder that it lies in.`);
  if (kind === 'file') return { video: path, then: 'repeat' };
  throw missing(text, 'a folder of pictures, a video file, a camera (/dev/video0) or a stream (rtsp://…)');
}

function kindOf(path: string): 'folder' | 'device' | 'file' | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  if (found.isDirectory()) return 'folder';
  return found.isCharacterDevice() ? 'device' : 'file';
}

const missing = (text: string, wanted: string) => new StartError('config', `There is no ${text}; --source takes ${wanted}.`);

/** An input with an end: each frame of it once, as fast as they are inferred. `frames`: how many, where that is known before. */
export async function onceThrough(source: SourceConfig): Promise<{ source: SourceConfig; frames?: number }> {
  if ('directory' in source) {
    const names = (await readdir(source.directory)).filter((name) => noticed.test(name));
    if (!names.some((name) => picture.test(name)))
      throw new StartError('config', `${source.directory} holds no picture (.jpg, .png, .webp).`);
    return { source: { ...source, perSecond: 1000, then: 'keep' }, frames: names.length };
  }
  if ('video' in source && !isUrl(source.video)) return { source: { ...source, pace: 'every', then: 'stop' } };
  if ('audio' in source && source.kind === 'wav') return { source: { ...source, pace: 'every', then: 'stop' } };
  throw new StartError('config', '--once needs an input that has an end: a file, or a folder of pictures.');
}
