import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@flotilla/agent/fixtures/eventually';
import { CollectingSink } from '@flotilla/agent/gateway/fixtures/collecting-sink';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { LineStreamSource } from '@flotilla/agent/gateway/sources/lines';
import { LinesSource } from '@flotilla/protocol';
import { afterEach, expect, it } from 'vitest';
import { describeWith } from '../support/required.js';

const folders = new Folders();
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
  await folders.clear();
});

function begin(config: object): CollectingSink {
  const sink = new CollectingSink();
  const source = new LineStreamSource(LinesSource.parse(config));
  open.push(() => source.stop());
  source.start(sink);
  return sink;
}
const isRunning = (sink: CollectingSink) => eventually(() => sink.now?.state === 'running');
const count = (sink: CollectingSink, n: number) => eventually(() => sink.all.length >= n);

describeWith('socat', 'lines of a serial line', () => {
  /** Two ends of a line, as a null-modem cable has them. */
  async function aCable(folder: string): Promise<ChildProcess> {
    const [near, far] = [join(folder, 'tty'), join(folder, 'sensor')];
    const socat = spawn('socat', [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`], { stdio: 'ignore' });
    open.push(() => unplug(socat));
    await eventually(() => existsSync(near) && existsSync(far));
    return socat;
  }
  async function unplug(socat: ChildProcess): Promise<void> {
    if (socat.exitCode !== null || socat.signalCode !== null) return;
    const gone = once(socat, 'exit');
    socat.kill();
    await gone;
  }

  it('are read, and again when it is plugged in again', async () => {
    const folder = await folders.make();
    const socat = await aCable(folder);
    const sink = begin({
      lines: { serial: join(folder, 'tty'), baud: 115_200 },
      columns: ['t', 'p'],
      separator: ';',
      decimal: ',',
    });
    await isRunning(sink);
    await appendFile(join(folder, 'sensor'), '1;2,5\r\n3;4\r\n');
    await count(sink, 2);
    await unplug(socat);
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toContain('unplugged');
    await aCable(folder);
    await isRunning(sink);
    await appendFile(join(folder, 'sensor'), '5;6\r\n');
    await count(sink, 3);
    expect(sink.features).toEqual([
      { t: 1, p: 2.5 },
      { t: 3, p: 4 },
      { t: 5, p: 6 },
    ]);
    expect(sink.offered.at(-1)?.gap).toBe(true);
  });

  it('can not be read of a file, which is said', async () => {
    const file = join(await folders.make({ plain: '' }), 'plain');
    const sink = begin({ lines: { serial: file }, columns: ['t'] });
    await eventually(() => sink.now?.state === 'failed');
    expect(sink.now?.reason).toContain('can not be set up as a serial line');
    await rm(file);
    await eventually(() => sink.now?.state === 'waiting');
    expect(sink.now?.reason).toContain('is not there');
  });
});
