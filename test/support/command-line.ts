import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { program, run } from '@flotilla/control-plane/cli/program';
import type { Command } from 'commander';
import { vi } from 'vitest';
import type { TestControlPlane } from './control-plane.js';

export const checkout = resolve(import.meta.dirname, '../..');

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in this process. */
export async function flotilla(controlPlane: TestControlPlane, ...argv: string[]): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  const write = (take: (text: string) => void) => (text: unknown) => {
    take(String(text));
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(write((text) => (stdout += text))),
    vi.spyOn(process.stderr, 'write').mockImplementation(write((text) => (stderr += text))),
    vi.spyOn(console, 'error').mockImplementation(write((text) => (stderr += `${text}\n`))),
  ];
  try {
    const access = ['--url', controlPlane.url, '--token', controlPlane.adminToken].filter(() => !argv.includes('--url'));
    return { code: await run([...access, ...argv]), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** The commands that do something, by what is typed ("devices list"). */
export const leaves = (command: Command = program(), path: readonly string[] = []): Map<string, Command> =>
  command.commands.length === 0
    ? new Map([[path.join(' '), command]])
    : new Map(command.commands.flatMap((child) => [...leaves(child, [...path, child.name()])]));

/** Lines of a command's help that may be copied into a shell. */
export function examplesOf(command: Command): string[] {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  return [...help.matchAll(/^ {2}\$ (.+)$/gm)].map(([, line]) => line!);
}

/** A folder with what the examples name, and `flotilla` on its path, as built. */
export async function aShell(controlPlane: TestControlPlane, plan = (example: string) => example) {
  const dir = await mkdtemp(join(tmpdir(), 'flotilla-shell-'));
  // The database's own user has to get through to what is restored here.
  await chmod(dir, 0o755);
  await mkdir(join(dir, 'bin'));
  await mkdir(join(dir, 'deploy/examples'), { recursive: true });
  await symlink(join(checkout, 'test'), join(dir, 'test'));
  const example = await readFile(join(checkout, 'deploy/examples/rollout.yaml'), 'utf8');
  await writeFile(join(dir, 'deploy/examples/rollout.yaml'), plan(example));
  for (const name of ['gateway.yaml', 'devices.csv', 'calendar.yaml'])
    await copyFile(join(checkout, 'deploy/examples', name), join(dir, 'deploy/examples', name));
  const bin = join(dir, 'bin/flotilla');
  await writeFile(bin, `#!/bin/sh\nexec '${process.execPath}' '${join(checkout, 'control-plane/bin/flotilla.js')}' "$@"\n`);
  await chmod(bin, 0o755);
  const env = {
    PATH: `${join(dir, 'bin')}:${process.env['PATH']}`,
    FLOTILLA_URL: controlPlane.url,
    FLOTILLA_TOKEN: controlPlane.adminToken,
  };
  return { dir, sh: (line: string) => sh(line, dir, env), close: () => rm(dir, { recursive: true, force: true }) };
}

const sh = (line: string, cwd: string, env: Record<string, string>) =>
  new Promise<Ended>((done) => {
    execFile('sh', ['-c', line], { cwd, env }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });
