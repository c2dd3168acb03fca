import { fileURLToPath } from 'node:url';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { detect } from './detect.js';
import { parseFacts, type Runtime } from './facts.js';
import { loadProfiles } from './load.js';
import { readFacts } from './read-facts.js';

const runtime: Runtime = { arch: 'arm64', platform: 'linux', cpus: 4, totalMemoryBytes: 8e9 };
const fixture = (board: string) => readFacts(fileURLToPath(new URL(`../fixtures/${board}`, import.meta.url)), runtime);

test('a Jetson, whole', () => {
  expect(fixture('jetson-agx-orin')).toMatchObject({
    ...runtime,
    cpuModel: 'ARMv8 Processor rev 1 (v8l)',
    boardModel: 'NVIDIA Jetson AGX Orin Developer Kit',
    compatible: ['nvidia,p3737-0000+p3701-0004', 'nvidia,p3701-0004', 'nvidia,tegra234'],
    l4t: '36.4.3',
    notes: [],
  });
});

test('no file at all is fine', () => {
  expect(parseFacts({}, runtime)).toEqual({ ...runtime, features: [], compatible: [], notes: [] });
});

test('garbage becomes a note for each file, never a crash', () => {
  const { notes, ...facts } = fixture('garbage');
  expect(facts).toEqual({ ...runtime, features: [], compatible: [] });
  expect(notes).toHaveLength(5);
  expect(notes[0]).toBe('/proc/cpuinfo is not in the form known; what it holds is ignored');
});

test('only features that all cores share count', () => {
  const cpuinfo =
    'processor : 0\nFeatures : fp asimd asimddp\n\nprocessor : 1\nFeatures : fp asimd\n\nprocessor : 2\nFeatures : fp asimd asimddp\n';
  expect(parseFacts({ '/proc/cpuinfo': cpuinfo }, runtime).features).toEqual(['fp', 'asimd']);
});

test('the smaller of the container’s and the machine’s memory counts', () => {
  const meminfo = 'MemTotal:        1000000 kB\n';
  expect(parseFacts({ '/proc/meminfo': meminfo }, runtime).totalMemoryBytes).toBe(1_024_000_000);
  expect(parseFacts({ '/proc/meminfo': meminfo }, { ...runtime, totalMemoryBytes: 5e8 }).totalMemoryBytes).toBe(5e8);
});

test('a file that cannot be read is a note', () => {
  const root = mkdtempSync(join(tmpdir(), 'facts-'));
  mkdirSync(join(root, 'proc/cpuinfo'), { recursive: true });
  expect(readFacts(root, runtime).notes).toEqual(['/proc/cpuinfo cannot be read (EISDIR)']);
  rmSync(root, { recursive: true });
});

test('this machine has a profile', () => {
  const facts = readFacts();
  expect(facts).toMatchObject({ arch: process.arch, platform: process.platform });
  expect(facts.totalMemoryBytes).toBeGreaterThan(2 ** 26);
  expect(facts.cpus).toBeGreaterThan(0);
  const { profile } = detect(facts, loadProfiles());
  expect(profile.arch).toBe(process.arch);
});
