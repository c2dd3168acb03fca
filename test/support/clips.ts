import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export type Clip = { file: string; size?: string; frames?: number; perSecond?: number; options?: readonly string[] };

/** ffmpeg's test picture with moving parts, in a folder. Returns its path. */
export function makeClip(folder: string, { file, size = '64x48', frames = 10, perSecond = 25, options = [] }: Clip): string {
  const path = join(folder, file);
  const input = ['-f', 'lavfi', '-i', `testsrc=size=${size}:rate=${perSecond}`, '-frames:v', String(frames)];
  ffmpeg([...input, '-threads', '1', ...options, path]);
  return path;
}

function ffmpeg(args: readonly string[]): void {
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', '-y', '-nostdin', ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ffmpeg ${args.join(' ')}: ${stderr}`);
}

/** The colour of a point, 0…255 each. */
export function pixelAt({ width, pixels }: { width: number; pixels: Uint8Array }, x: number, y: number): number[] {
  const at = 3 * (y * width + x);
  return [...pixels.subarray(at, at + 3)];
}
