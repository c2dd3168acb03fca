import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { clearDataFolder } from './clear-data-folder.js';
import { DataFolderError, openDataFolder } from './data-folder.js';
import { createLogger } from './logger.js';

const isRoot = process.getuid?.() === 0;
const base = mkdtempSync(join(tmpdir(), 'flotilla-data-'));
chmodSync(base, 0o755);
afterAll(() => rmSync(base, { recursive: true }));
let folders = 0;
const aPath = () => join(base, String(folders++), 'data');

const runSource = fileURLToPath(new URL('../../../test/support/run-source.mjs', import.meta.url));
const dataFolderSource = new URL('./data-folder.ts', import.meta.url).href;
/** Opens the folder in another process, which then waits, or says why it could not. */
function openElsewhere(dir: string, uid?: number): ChildProcess {
  const code = `const { openDataFolder } = await import(${JSON.stringify(dataFolderSource)});
    try { await openDataFolder(process.argv[1]); console.log('open'); setInterval(() => {}, 1000); }
    catch (error) { console.log(error.name + ': ' + error.message); }`;
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-transform-types', '--conditions=flotilla-source'];
  const as = uid === undefined ? {} : { uid, gid: uid };
  return spawn(process.execPath, [...flags, '--import', runSource, '--input-type=module', '-e', code, dir], {
    ...as,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
const said = async (child: ChildProcess) => String(((await once(child.stdout!, 'data')) as [Buffer])[0]).trim();

/** A file system of its own, where this user may mount one; null where not. */
function mount(options: string): string | null {
  const dir = join(base, String(folders++));
  mkdirSync(dir);
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', dir]).status === 0 ? dir : null;
}

describe('the data folder', () => {
  it('is made when it is not there, closed to others, with closed secrets', async () => {
    const path = aPath();
    const folder = await openDataFolder(path);
    await folder.writeSecret('key', 'secret');
    expect(String(await folder.readSecret('key'))).toBe('secret');
    expect(await folder.readSecret('none')).toBeNull();
    expect(statSync(path).mode & 0o777).toBe(isRoot ? 0o711 : 0o700);
    expect(statSync(folder.secretsDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder.secretsDir, 'key')).mode & 0o777).toBe(0o600);
    folder.close();
  });

  it('is refused at once where no folder can be made', { timeout: 20_000 }, async () => {
    await expect(openDataFolder('/proc/nope/data')).rejects.toThrow(
      "the data folder /proc/nope/data can't be used: its parent folder is not there and can not be made",
    );
  });

  it('is opened by one at a time, and the second is told who has it', async () => {
    const path = aPath();
    const folder = await openDataFolder(path);
    await expect(openDataFolder(path)).rejects.toThrow(
      new RegExp(`^the data folder .* is in use by process ${process.pid} on .*, since `),
    );
    folder.close();
    (await openDataFolder(path)).close();
  });

  it('is free again as soon as its holder was killed', async () => {
    const path = aPath();
    const holder = openElsewhere(path);
    expect(await said(holder)).toBe('open');
    await expect(openDataFolder(path)).rejects.toThrow(`in use by process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    (await openDataFolder(path)).close();
  });

  it('is refused when a newer version has written it', async () => {
    const path = aPath();
    const folder = await openDataFolder(path);
    folder.close();
    writeFileSync(folder.path('format.json'), '{"format":2,"createdAt":"2027-01-01T00:00:00Z"}');
    await expect(openDataFolder(path)).rejects.toThrow(/has format 2 of a newer Flotilla, and this version knows 1/);
    await expect(openDataFolder(path), 'the lock of the refused start is gone').rejects.toThrow(/has format 2/);
  });

  it('is refused when its format can’t be read', async () => {
    const path = aPath();
    const folder = await openDataFolder(path);
    folder.close();
    writeFileSync(folder.path('format.json'), '');
    await expect(openDataFolder(path)).rejects.toThrow(/format\.json can't be read as a format version/);
  });

  it('is refused when other people’s files are in it, and leaves them and their modes alone', async () => {
    const dir = join(base, String(folders++));
    mkdirSync(dir, { mode: 0o755 });
    writeFileSync(join(dir, 'thesis.txt'), '');
    await expect(openDataFolder(dir)).rejects.toThrow(/holds other files and is no data folder of Flotilla/);
    await expect(clearDataFolder(dir, createLogger('silent'))).rejects.toThrow(DataFolderError);
    expect(existsSync(join(dir, 'thesis.txt'))).toBe(true);
    expect(statSync(dir).mode & 0o777).toBe(0o755);
  });

  it.each([
    ['a file', (file: string) => file],
    ['inside a file', (file: string) => join(file, 'data')],
  ])('is refused when it is %s', async (_, at) => {
    const file = join(base, `file-${folders++}`);
    writeFileSync(file, '');
    await expect(openDataFolder(at(file))).rejects.toThrow(/^the data folder .* can't be used: .* not a folder$/);
  });

  it('is emptied to begin anew, but not while it is in use', async () => {
    const path = aPath();
    const folder = await openDataFolder(path);
    await folder.writeSecret('key', 'secret');
    await expect(clearDataFolder(path, createLogger('silent'))).rejects.toThrow('in use');
    folder.close();
    await clearDataFolder(path, createLogger('silent'));
    const anew = await openDataFolder(path);
    expect(await anew.readSecret('key')).toBeNull();
    anew.close();
  });
});

describe.skipIf(!isRoot)('the data folder, where only root can set it up (skipped for an ordinary user)', () => {
  it('is refused when its disk is read-only', async (context) => {
    const dir = mount('ro');
    if (!dir) return context.skip('this root may not mount');
    try {
      await expect(openDataFolder(join(dir, 'data'))).rejects.toThrow(/can't be used: it is read-only$/);
    } finally {
      execFileSync('umount', [dir]);
    }
  });

  it('is refused when its disk is nearly full, and when it is full', async (context) => {
    const dir = mount('size=1m');
    if (!dir) return context.skip('this root may not mount');
    try {
      await expect(openDataFolder(join(dir, 'data'))).rejects.toThrow(/has \d MiB free, and at least 64 are needed/);
      spawnSync('sh', ['-c', `cat /dev/zero > ${dir}/filler`]);
      await expect(openDataFolder(join(dir, 'data'))).rejects.toThrow(/can't be used: its disk is full$/);
    } finally {
      execFileSync('umount', [dir]);
    }
  });

  it('is refused to a user that may not write there', async () => {
    const dir = join(base, String(folders++));
    mkdirSync(dir, { mode: 0o755 });
    expect(await said(openElsewhere(join(dir, 'data'), 65534))).toMatch(
      /^DataFolderError: .* can't be used: this user may not write there$/,
    );
  });

  it('is refused to another user than the one that made it', async () => {
    const path = aPath();
    (await openDataFolder(path)).close();
    chownSync(join(path, 'format.json'), 65534, 65534);
    await expect(openDataFolder(path)).rejects.toThrow(/belongs to uid 65534, and this is uid 0: start as that user/);
  });
});
