import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadProfiles, ProfileError } from './load.js';
import { nearest } from './nearest.js';

const shipped = readFileSync(new URL('../profiles/raspberry-pi-5.yaml', import.meta.url), 'utf8');
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'profiles-'))));
afterEach(() => rmSync(folder, { recursive: true }));

/** The message for a Raspberry Pi 5 in which `from` became `to`. */
function messageFor(from: string, to: string, file = 'raspberry-pi-5.yaml'): string {
  expect(shipped).toContain(from);
  writeFileSync(join(folder, file), shipped.replace(from, to));
  try {
    loadProfiles(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(ProfileError);
    return (error as ProfileError).message.replaceAll(folder, '').split('\n')[0]!;
  }
  throw new Error('nothing was refused');
}

test('the shipped profiles are valid, and sorted', () => {
  expect(loadProfiles().map(({ id }) => id)).toEqual([
    'generic-arm64',
    'generic-x64',
    'generic-x64-vnni',
    'jetson-agx-orin',
    'jetson-orin-nano',
    'jetson-xavier-nx',
    'raspberry-pi-4',
    'raspberry-pi-5',
    'rockchip-rk3588',
  ]);
});

test('defaults are filled in', () => {
  writeFileSync(join(folder, 'raspberry-pi-5.yaml'), shipped.replace('{ spareCores: 1, workers: 1 }', '{}'));
  expect(loadProfiles(folder)[0]).toMatchObject({ threads: { spareCores: 1, workers: 1 } });
});

test.each([
  ['precisions:', 'precisons:', '/raspberry-pi-5.yaml: top level: unknown key "precisons": did you mean "precisions"?'],
  ['throttleC: 80', 'throtleC: 80', '/raspberry-pi-5.yaml: thermal: unknown key "throtleC": did you mean "throttleC"?'],
  [
    'undervoltage: { chip:',
    'undervoltage: { chp:',
    '/raspberry-pi-5.yaml: power.undervoltage: unknown key "chp": did you mean "chip"?',
  ],
  [
    'workers: 1',
    'colour: red',
    '/raspberry-pi-5.yaml: threads: unknown key "colour": remove it, known here are spareCores, max, workers',
  ],
  ['type: cpu-thermal', 'typ: cpu-thermal', '/raspberry-pi-5.yaml: thermal.read[0]: unknown key "typ": did you mean "type"?'],
  ['maxComputeMs: 250', '', '/raspberry-pi-5.yaml: maxComputeMs: is missing: add it (number)'],
  ['limitC: 85', 'limitC: hot', '/raspberry-pi-5.yaml: thermal.limitC: Invalid input: expected number, received string'],
  ['slotShare: 0.5', 'slotShare: 5', '/raspberry-pi-5.yaml: memory.slotShare: Too big'],
  ['[int8, fp32, fp16]', '[int8, fp23]', '/raspberry-pi-5.yaml: precisions[1]: Invalid option'],
  ['- { name: cpu }', '- { name: cpu, needs: gpu-engine }', '/raspberry-pi-5.yaml: providers: one provider must need nothing'],
  ['kind: board', 'kind: generic', '/raspberry-pi-5.yaml: detect: a board needs compatible or model'],
  ['from: thermal-zone', 'from: thermometer', '/raspberry-pi-5.yaml: thermal.read[0].from: '],
  [
    'id: raspberry-pi-5',
    'id: raspberry-pi-6',
    '/raspberry-pi-5.yaml: id: rename the file to raspberry-pi-6.yaml, or correct the id',
  ],
  ['kind: board', 'kind: board\nkind: board', '/raspberry-pi-5.yaml: not YAML: Map keys must be unique'],
])('%s → %s is refused by file and path', (from, to, expected) => {
  expect(messageFor(from, to)).toContain(expected);
});

test('every problem of every file is named at once', () => {
  writeFileSync(join(folder, 'a.yaml'), '[]');
  writeFileSync(join(folder, 'b.yaml'), shipped.replace('limitC: 85', 'limit: 85'));
  expect(() => loadProfiles(folder)).toThrow(
    /a\.yaml: top level: .*\n.*b\.yaml: thermal: unknown key "limit": did you mean "limitC"\?\nSee/,
  );
});

test('a folder without profiles is refused', () => {
  expect(() => loadProfiles(folder)).toThrow('holds no *.yaml');
  expect(() => loadProfiles(join(folder, 'absent'))).toThrow('cannot be read');
});

test.each([
  ['precisons', 'precisions'],
  ['Threads', 'threads'],
  ['memroy', 'memory'],
  ['x', undefined],
  ['accelerator', undefined],
])('nearest to %s is %s', (word, expected) => {
  expect(nearest(word, ['precisions', 'threads', 'memory'])).toBe(expected);
});
