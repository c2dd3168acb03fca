import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLocked, openDataFolder } from './data-lock.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'data-lock-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('the data folder', () => {
  it("is made, for its owner's eyes only, and marked with its format", () => {
    const data = join(folder, 'a', 'b');
    const lock = openDataFolder(data);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(data, 'format'), 'utf8')).toBe('1\n');
    lock.release();
  });

  it('is held by one agent at a time', () => {
    const lock = openDataFolder(folder);
    expect(isLocked(folder)).toBe(true);
    expect(() => openDataFolder(folder)).toThrow(
      `The data folder ${folder} is in use by another flotilla-agent: stop that one, or give this one its own "data".`,
    );
    lock.release();
    expect(isLocked(folder)).toBe(false);
    openDataFolder(folder).release();
  });

  it('is free again when its agent was killed', async () => {
    openDataFolder(folder).release();
    const hold = `const { DatabaseSync } = require('node:sqlite');
      new DatabaseSync(${JSON.stringify(join(folder, 'lock.db'))}).exec('BEGIN EXCLUSIVE'); console.log('held'); setInterval(() => {}, 1e6);`;
    const holder = spawn(process.execPath, ['-e', hold], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    expect(isLocked(folder)).toBe(true);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    openDataFolder(folder).release();
  });

  it('of another format is left alone', () => {
    writeFileSync(join(folder, 'format'), '2\n');
    expect(() => openDataFolder(folder)).toThrow(/has format 2; this agent reads format 1/);
  });

  it('is not some other folder with things in it', () => {
    mkdirSync(join(folder, 'photographs'));
    expect(() => openDataFolder(folder)).toThrow(/is not empty and not an agent's data folder \(it holds photographs\)/);
  });

  it('is refused in one sentence where a file is in its place', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => openDataFolder(join(folder, 'file'))).toThrow(/has a file in its place, .*: name another one as "data"\.$/);
    expect(() => openDataFolder(join(folder, 'file', 'data'))).toThrow(
      /has a file in its place, or in that of a folder above it: /,
    );
  });

  // Root may write anywhere but on a read-only file system, such as /proc.
  it.runIf(process.getuid?.() === 0)('that cannot be made is refused in one sentence', () => {
    expect(() => openDataFolder('/proc/flotilla')).toThrow(
      'The data folder /proc/flotilla cannot be made there: name another one as "data".',
    );
  });
  it.skipIf(process.getuid?.() === 0)('that may not be written is refused in one sentence', () => {
    chmodSync(folder, 0o500);
    expect(() => openDataFolder(join(folder, 'data'))).toThrow(/may not be written by this user/);
    chmodSync(folder, 0o700);
  });
});
