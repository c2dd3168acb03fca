import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { tone } from '@flotilla/agent/gateway/fixtures/wav';
import { soundSource } from '@flotilla/agent/gateway/sources/audio';
import { AudioSource } from '@flotilla/protocol';
import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../support/required.js';

/** ALSA's file plugin: a microphone that hears what lies in a file, over and over and as fast as it is asked. */
const configuration = (heard: string) => `
pcm.null { type null }
pcm.heard { type file slave.pcm null file "/dev/null" infile "${heard}" format raw }
`;

describeWith('ffmpeg', 'a microphone', () => {
  const folders = new Folders();
  const before = process.env['ALSA_CONFIG_PATH'];
  afterEach(async () => {
    if (before === undefined) delete process.env['ALSA_CONFIG_PATH'];
    else process.env['ALSA_CONFIG_PATH'] = before;
    await folders.clear();
  });

  async function hear(): Promise<{ sink: CollectingSink; folder: string; stop: () => Promise<void> }> {
    const folder = await folders.make();
    process.env['ALSA_CONFIG_PATH'] = join(folder, 'asound.conf');
    const sink = new CollectingSink();
    const source = soundSource(AudioSource.parse({ audio: 'heard', kind: 'alsa', rate: 16_000, chunkMs: 50 }));
    source.start(sink);
    return { sink, folder, stop: () => source.stop() };
  }
  async function plugIn(folder: string): Promise<void> {
    const samples = Int16Array.from(tone(440, 16_000, 16_000), (sample) => sample * 32_767);
    await writeFile(join(folder, 'heard.raw'), new Uint8Array(samples.buffer));
    await writeFile(join(folder, 'asound.conf'), configuration(join(folder, 'heard.raw')));
  }
  const loudness = (samples: number[]) => Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);

  it('is waited for, then heard in chunks, and let go of', async () => {
    const { sink, folder, stop } = await hear();
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toContain('the microphone heard');
    await plugIn(folder);
    await eventually(() => sink.offered.length >= 4);
    await stop();
    expect(sink.now).toEqual({ state: 'running' });
    expect(sink.offered[0]).toMatchObject({ payload: { kind: 'signal', rate: 16_000, channels: 1 }, name: 'heard' });
    expect(loudness(sink.samples.slice(0, 3200))).toBeCloseTo(0.5 / Math.SQRT2, 1);
  });

  it('that is lost is heard again, with a break', async () => {
    const { sink, folder, stop } = await hear();
    await plugIn(folder);
    await eventually(() => sink.offered.length >= 4);
    const children = spawnSync('pgrep', ['-P', String(process.pid), '-f', 'alsa.*heard'])
      .stdout.toString()
      .trim()
      .split('\n');
    expect(children).toHaveLength(1);
    process.kill(Number(children[0]), 'SIGKILL');
    await eventually(() => sink.states.some(({ state }) => state === 'waiting'));
    await eventually(() => sink.offered.some(({ gap }) => gap));
    await stop();
  });
});
