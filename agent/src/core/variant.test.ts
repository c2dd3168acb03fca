import type { Manifest } from '@flotilla/protocol/device';
import { describe, expect, it } from 'vitest';
import { type Capability, compatibleVariants } from './variant.js';

type Release = Pick<Manifest, 'requires' | 'variants'>;
type Variant = Manifest['variants'][number];
const int8: Variant = { file: 'int8.onnx', precision: 'int8', providers: ['cpu'] };
const fp32: Variant = { file: 'fp32.onnx', precision: 'fp32', providers: ['cpu'] };
const fp16: Variant = { file: 'fp16.onnx', precision: 'fp16', providers: ['cuda', 'tensorrt'] };
const board: Capability = {
  agent: '0.1.0',
  ort: '1.30.0',
  providers: ['cpu'],
  precisions: ['int8', 'fp32'],
  memoryMb: 500,
  fits: (profiles) => profiles === undefined || profiles.includes('x64'),
  // As semver.satisfies, for the ranges used here.
  satisfies: (version, range) => version >= range.replace('>=', ''),
};
const release = (variants: Variant[], requires: Release['requires'] = {}): Release => ({ variants, requires });
const judge = (r: Release, device: Partial<Capability> = {}) => compatibleVariants(r, { ...board, ...device });

describe('of a release, a device', () => {
  it.each<[string, Variant[], Partial<Capability>, string[]]>([
    ['takes the precision that pays first', [fp32, int8], {}, ['int8.onnx', 'fp32.onnx']],
    [
      'takes the best provider before the best precision',
      [int8, fp16],
      { providers: ['cuda', 'cpu'] },
      ['fp16.onnx', 'int8.onnx'],
    ],
    [
      'tries a precision of which nothing is known last',
      [{ ...fp32, file: 'int4.onnx', precision: 'int4' }, fp32],
      {},
      ['fp32.onnx', 'int4.onnx'],
    ],
    [
      'keeps the order of equals',
      [
        { ...int8, file: '1' },
        { ...int8, file: '2' },
      ],
      {},
      ['1', '2'],
    ],
    ['leaves out what it has no provider for', [fp16, fp32], {}, ['fp32.onnx']],
    ['leaves out what is for other boards', [{ ...int8, profiles: ['arm64'] }, fp32], {}, ['fp32.onnx']],
    ['takes what is for its own board', [{ ...int8, profiles: ['x64'] }], {}, ['int8.onnx']],
    ['leaves out what needs a newer ONNX Runtime', [{ ...int8, minOrt: '1.31.0' }, fp32], {}, ['fp32.onnx']],
    ['takes what its ONNX Runtime can load', [{ ...int8, minOrt: '1.30.0' }], {}, ['int8.onnx']],
    [
      'leaves out what does not fit its memory',
      [
        { ...fp32, memoryMb: 501 },
        { ...int8, memoryMb: 500 },
      ],
      {},
      ['int8.onnx'],
    ],
  ])('%s', (_name, variants, device, files) => expect(judge(release(variants), device)).toEqual({ variants: files }));

  it.each<[string, Release, string]>([
    ['an older agent', release([int8], { agent: '>=0.2.0' }), 'the release requires agent >=0.2.0, this one is 0.1.0'],
    ['too little memory', release([int8], { memoryMb: 501 }), 'the release requires 501 MB of memory, slots may use 500 MB here'],
    [
      'nothing that fits',
      release([fp16, { ...int8, profiles: ['arm64'] }]),
      'no variant fits: fp16.onnx needs cuda or tensorrt, this device has cpu; int8.onnx is for arm64',
    ],
  ])('refuses all for %s', (_name, r, rejected) => expect(judge(r)).toEqual({ rejected }));

  it('takes a release whose requirements it meets', () =>
    expect(judge(release([int8], { agent: '>=0.1.0', memoryMb: 500 }))).toEqual({ variants: ['int8.onnx'] }));
});
