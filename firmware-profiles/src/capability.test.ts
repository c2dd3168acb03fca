import { HardwareClass } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { hardwareClass, matches, slotMemoryBytes, threadBudget } from './capability.js';
import { loadProfiles } from './load.js';
import type { Profile } from './profile.js';

const profiles = loadProfiles();
const named = (id: string): Profile => profiles.find((profile) => profile.id === id)!;

describe('hardware class', () => {
  test.each([
    ['generic-x64-vnni', ['avx2', 'avx512f', 'avx512_vnni'], 'generic-x64-vnni/ort-1.30.0/avx512_vnni'],
    ['generic-x64-vnni', ['avx_vnni', 'avx512_vnni', 'amx_int8'], 'generic-x64-vnni/ort-1.30.0/amx_int8+avx512_vnni+avx_vnni'],
    ['generic-x64', ['avx2', 'fma'], 'generic-x64/ort-1.30.0/avx2'],
    ['generic-x64', ['sse2'], 'generic-x64/ort-1.30.0'],
    ['raspberry-pi-5', ['asimdhp', 'asimddp'], 'raspberry-pi-5/ort-1.30.0/asimddp+asimdhp'],
    ['raspberry-pi-4', ['asimd', 'crc32'], 'raspberry-pi-4/ort-1.30.0'],
  ])('%s with %j is %s', (id, features, expected) => {
    expect(hardwareClass(named(id), '1.30.0', { features, platform: 'linux' })).toBe(expected);
  });

  test('a probed GPU engine and another platform are other classes', () => {
    const facts = { features: ['asimddp'], platform: 'linux', gpuEngine: { providers: ['tensorrt', 'cuda'] } };
    expect(hardwareClass(named('jetson-agx-orin'), '1.30.0', facts)).toBe('jetson-agx-orin/ort-1.30.0/asimddp/cuda+tensorrt');
    const versioned = { ...facts, gpuEngine: { providers: ['cuda'], version: '1.23.2' } };
    expect(hardwareClass(named('jetson-agx-orin'), '1.30.0', versioned)).toBe('jetson-agx-orin/ort-1.30.0/asimddp/cuda-1.23.2');
    expect(hardwareClass(named('generic-arm64'), '1.30.0', { features: [], platform: 'darwin' })).toBe(
      'generic-arm64/ort-1.30.0/darwin',
    );
  });

  test('fits the wire, whatever the version looks like', () => {
    const everything = ['asimddp', 'asimdhp', 'i8mm', 'sve', 'sme'];
    const profile = { ...named('jetson-agx-orin'), id: 'x'.repeat(40) };
    const facts = {
      features: everything,
      platform: 'a platform beyond imagination',
      gpuEngine: { providers: ['tensorrt', 'cuda'], version: '1.24.0 (built by hand)' },
    };
    expect(hardwareClass(profile, '1.31.0-dev.20261101 (own build)', facts)).toSatisfy(
      (text) => HardwareClass.safeParse(text).success,
    );
  });
});

describe('a variant’s selector', () => {
  test.each([
    ['raspberry-pi-5', undefined, true],
    ['raspberry-pi-5', ['raspberry-pi-5', 'generic-arm64'], true],
    ['raspberry-pi-4', ['raspberry-pi-5', 'generic-arm64'], false],
    ['raspberry-pi-4', ['arm64'], true],
    ['generic-x64', ['arm64'], false],
    ['raspberry-pi-5', ['arm64+asimddp'], true],
    ['raspberry-pi-4', ['arm64+asimddp'], false],
    ['raspberry-pi-4', ['arm64+asimddp', 'raspberry-pi-4'], true],
    ['raspberry-pi-5', ['rasberry-pi-5'], false],
    ['raspberry-pi-5', [''], false],
    ['raspberry-pi-5', [], false],
  ])('%s satisfies %j: %s', (id, requirement, expected) => {
    expect(matches(named(id), requirement)).toBe(expected);
  });

  test('may ask for a feature of the very machine', () => {
    expect(matches(named('generic-x64-vnni'), ['x64+avx512_vnni'])).toBe(false);
    expect(matches(named('generic-x64-vnni'), ['x64+avx512_vnni'], { features: ['avx512_vnni'] })).toBe(true);
  });
});

describe('budgets', () => {
  test.each([
    ['raspberry-pi-5', 4, { workers: 1, intraOpThreads: 3 }],
    ['generic-x64', 2, { workers: 1, intraOpThreads: 1 }],
    ['generic-x64', 1, { workers: 1, intraOpThreads: 1 }],
    ['rockchip-rk3588', 8, { workers: 1, intraOpThreads: 4 }],
  ])('threads of %s with %i cores', (id, cpus, expected) => {
    expect(threadBudget(named(id), { cpus })).toEqual(expected);
  });

  test('workers share the threads and are never more than those', () => {
    const profile = { ...named('jetson-agx-orin'), threads: { spareCores: 1, workers: 4 } };
    expect(threadBudget(profile, { cpus: 12 })).toEqual({ workers: 4, intraOpThreads: 2 });
    expect(threadBudget(profile, { cpus: 3 })).toEqual({ workers: 2, intraOpThreads: 1 });
  });

  test('memory is a share of what the machine has', () => {
    expect(slotMemoryBytes(named('raspberry-pi-4'), { totalMemoryBytes: 4_000_000_001 })).toBe(2_000_000_000);
  });
});
