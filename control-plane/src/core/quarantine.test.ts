import { describe, expect, it } from 'vitest';
import { quarantined } from './quarantine.js';

const tally = (decided: number, failedArtifact: number) => ({
  variant: 'int8.onnx',
  hardwareClass: 'x64',
  decided,
  failedArtifact,
});

describe('a variant is kept from a hardware class', () => {
  it.each([
    ['not for one broken board', tally(2, 1), false],
    ['when two of ten failed on it', tally(10, 2), true],
    ['not when two of eleven did', tally(11, 2), false],
    ['when all did', tally(3, 3), true],
    ['not before anybody decided', tally(0, 0), false],
  ])('%s', (_name, one, expected) => expect(quarantined([one])).toEqual(expected ? [one] : []));
});
