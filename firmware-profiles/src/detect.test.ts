import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { availableProviders } from './capability.js';
import { detect } from './detect.js';
import type { Facts, Runtime } from './facts.js';
import { loadProfiles, ProfileError } from './load.js';
import { readFacts } from './read-facts.js';

const profiles = loadProfiles();

const fixture = (board: string, runtime: Partial<Runtime> = {}): Facts =>
  readFacts(fileURLToPath(new URL(`../fixtures/${board}`, import.meta.url)), {
    arch: board.startsWith('x64') ? 'x64' : 'arm64',
    platform: 'linux',
    cpus: 4,
    totalMemoryBytes: 2 ** 40,
    ...runtime,
  });

const boards = [
  ['jetson-orin-nano', 'jetson-orin-nano', 'exact'],
  ['jetson-agx-orin', 'jetson-agx-orin', 'exact'],
  ['jetson-xavier-nx', 'jetson-xavier-nx', 'exact'],
  ['raspberry-pi-4', 'raspberry-pi-4', 'exact'],
  ['raspberry-pi-5', 'raspberry-pi-5', 'exact'],
  ['raspberry-pi-5-container', 'raspberry-pi-5', 'exact'],
  ['rockchip-rk3588', 'rockchip-rk3588', 'exact'],
  ['unknown-arm64', 'generic-arm64', 'generic'],
  ['unknown-jetson', 'generic-arm64', 'generic'],
  ['x64', 'generic-x64', 'generic'],
  ['x64-vnni', 'generic-x64-vnni', 'generic'],
  ['garbage', 'generic-arm64', 'generic'],
] as const;

describe('every board is detected', () => {
  test.each(boards)('%s is %s (%s)', (board, id, matched) => {
    expect(detect(fixture(board), profiles)).toMatchObject({ profile: { id }, matched });
  });

  test('every profile has a fixture', () => {
    expect(new Set(boards.map(([, id]) => id))).toEqual(new Set(profiles.map(({ id }) => id)));
  });

  test.each(boards)('%s is claimed by one board at most', (board) => {
    const claims = profiles.filter((profile) => detect(fixture(board), [profile, ...generics]).profile === profile);
    expect(claims.filter(({ kind }) => kind === 'board').length).toBeLessThanOrEqual(1);
  });

  test.each(boards.filter(([, , matched]) => matched === 'exact'))('%s has the features that its profile promises', (board) => {
    const facts = fixture(board);
    expect(facts.features).toEqual(expect.arrayContaining(detect(facts, profiles).profile.features));
  });
});

const generics = profiles.filter(({ kind }) => kind === 'generic');

describe('notes', () => {
  test('a known board has none', () => {
    expect(detect(fixture('raspberry-pi-5'), profiles).notes).toEqual([]);
  });

  test('an unknown board is named', () => {
    expect(detect(fixture('unknown-arm64'), profiles).notes).toEqual([
      'No board profile fits board "Acme Edge Gateway 3000": generic-arm64 is used',
    ]);
  });

  test('a machine without a device tree', () => {
    expect(detect(fixture('x64'), profiles).notes).toEqual([
      'No board profile fits this machine (it names no board): generic-x64 is used',
    ]);
  });

  test('a Jetson without a profile is CPU only', () => {
    expect(detect(fixture('unknown-jetson'), profiles).notes).toContain(
      'A Jetson (Jetson Linux 36.4.3) without a profile of its own: CPU only',
    );
  });

  test('garbled files are passed on', () => {
    expect(detect(fixture('garbage'), profiles).notes).toHaveLength(6);
  });

  test('less memory than the smallest such board has', () => {
    const { notes } = detect(fixture('raspberry-pi-5', { totalMemoryBytes: 512 * 2 ** 20 }), profiles);
    expect(notes).toEqual([`512 MB of memory; raspberry-pi-5 has at least 1024 MB (a container's limit?)`]);
  });

  test('macOS on arm64', () => {
    const facts: Facts = {
      arch: 'arm64',
      platform: 'darwin',
      cpus: 8,
      totalMemoryBytes: 2 ** 34,
      features: [],
      compatible: [],
      notes: [],
    };
    const { profile, notes } = detect(facts, profiles);
    expect(profile.id).toBe('generic-arm64');
    expect(notes).toContain('Profiles are written for Linux; on darwin temperature and power are not read');
  });
});

describe('a Jetson', () => {
  const facts = fixture('jetson-orin-nano');

  test('offers CPU only until a GPU engine was probed, and says so', () => {
    const { profile, notes } = detect(facts, profiles);
    expect(availableProviders(profile, facts)).toEqual(['cpu']);
    expect(notes).toEqual(['CPU only: tensorrt and cuda need a GPU engine, and none has been probed']);
  });

  test('offers what the engine has, best first', () => {
    const probed = { ...facts, gpuEngine: { providers: ['cuda', 'tensorrt'] } };
    const { profile, notes } = detect(probed, profiles);
    expect(availableProviders(profile, probed)).toEqual(['tensorrt', 'cuda', 'cpu']);
    expect(notes).toEqual([]);
  });

  test('says what an engine lacks', () => {
    const probed = { ...facts, gpuEngine: { providers: ['cuda'] } };
    expect(detect(probed, profiles).notes).toEqual(['The GPU engine has no tensorrt']);
  });
});

test('an engine that the profile does not list is not used', () => {
  const probed = { ...fixture('raspberry-pi-5'), gpuEngine: { providers: ['cuda'] } };
  const { profile, notes } = detect(probed, profiles);
  expect(availableProviders(profile, probed)).toEqual(['cpu']);
  expect(notes).toEqual([`The GPU engine's cuda is not used: raspberry-pi-5 does not list it`]);
});

test('in a pattern only * is special, and it fits the whole string', () => {
  const orin = profiles.find(({ id }) => id === 'jetson-orin-nano')!;
  const profile = { ...orin, detect: { compatible: ['p3768+p3767.*'] } };
  const matchedBy = (compatible: string) =>
    detect({ ...fixture('unknown-arm64'), compatible: [compatible] }, [profile, ...generics]).matched;
  expect(['p3768+p3767.5', 'p33768p3767.5', 'p3768+p3767x5', 'x-p3768+p3767.5'].map(matchedBy)).toEqual([
    'exact',
    'generic',
    'generic',
    'generic',
  ]);
});

test('an architecture without a profile is refused with a way out', () => {
  expect(() => detect(fixture('raspberry-pi-4', { arch: 'arm' }), profiles)).toThrow(
    expect.objectContaining({ code: 'PROFILE_MISSING', message: expect.stringContaining('Install the 64-bit system') }),
  );
  expect(() => detect(fixture('x64', { arch: 'riscv64' }), profiles)).toThrow(ProfileError);
});
