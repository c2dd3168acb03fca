import { describe, expect, it } from 'vitest';
import { chooseEngine, type OfferedEngine } from './engine-choice.js';

const gpu: OfferedEngine = { name: 'gpu', providers: ['tensorrt', 'cuda'] };
const cudaOnly: OfferedEngine = { name: 'cuda-only', providers: ['cuda'] };
const everything: OfferedEngine = { name: 'everything', providers: ['cuda', 'cpu'] };
const silent: OfferedEngine = { name: 'silent' };
const board = ['tensorrt', 'cuda', 'cpu'] as const;

describe('a variant is computed by', () => {
  it.each([
    ['the built-in engine where none is configured', ['cpu'], ['cpu'], [], { providers: ['cpu'] }],
    ['the built-in engine where it wants the CPU only', ['cpu'], board, [gpu], { providers: ['cpu'] }],
    [
      'an engine that was told to take the CPU too',
      ['cpu'],
      board,
      [gpu, everything],
      { engine: 'everything', providers: ['cpu'] },
    ],
    [
      'the engine with the best provider',
      ['cuda', 'tensorrt'],
      board,
      [cudaOnly, gpu],
      { engine: 'gpu', providers: ['tensorrt', 'cuda'] },
    ],
    ['the first of two that have it', ['cuda'], board, [cudaOnly, gpu], { engine: 'cuda-only', providers: ['cuda'] }],
    [
      'an engine that may fall back to the CPU where the variant says so',
      ['cpu', 'cuda'],
      board,
      [gpu],
      { engine: 'gpu', providers: ['cuda', 'cpu'] },
    ],
    [
      'the built-in engine where the device lacks the better provider',
      ['cuda', 'cpu'],
      ['cpu'],
      [silent],
      { providers: ['cpu'] },
    ],
    ['an engine that was silent, where nothing else can', ['cuda'], ['cpu'], [silent], { engine: 'silent', providers: ['cuda'] }],
    ['the built-in engine where that may have it', ['cpu', 'cuda'], ['cuda', 'cpu'], [], { providers: ['cuda', 'cpu'] }],
    ['nobody, and the built-in engine will say so', ['cuda'], ['cpu'], [], { providers: ['cuda'] }],
  ] as const)('%s', (_name, variant, device, engines, chosen) => {
    expect(chooseEngine(variant, device, engines)).toEqual(chosen);
  });
});
