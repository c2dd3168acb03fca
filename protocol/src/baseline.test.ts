import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Baseline, baselineProblem, binAmong } from './baseline.js';

const signature = (name: string, type: 'FP32' | 'BYTES', shape: number[]) => ({ name, type, shape });
const release = { inputs: [signature('x', 'FP32', [-1, 13]), signature('note', 'BYTES', [1])] };
const aBaseline = (...inputs: object[]) =>
  Baseline.parse({ v: 1, inferences: 3, inputs: inputs.map((input) => ({ edges: [0], counts: [1, 2], ...input })) });

describe('a bin', () => {
  it('is the one after the last edge that a value is not below', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 31 }), fc.integer(), (unsorted, value) => {
        const edges = unsorted.toSorted((a, b) => a - b);
        expect(binAmong(edges, value)).toBe(edges.filter((edge) => edge <= value).length);
      }),
    );
  });
});

describe('a baseline', () => {
  it.each([
    ['an input of the release', { input: 'x', statistic: 'mean' }],
    ['a place in a row', { input: 'x', statistic: 'value', at: 12 }],
  ])('may be of %s', (_what, input) => expect(baselineProblem(release, aBaseline(input))).toBeUndefined());

  it('of several networks is of the picture', () => {
    const networks = { networks: {}, inputs: [] };
    expect(baselineProblem(networks, aBaseline({ input: 'picture', statistic: 'detail' }))).toBeUndefined();
    expect(baselineProblem(networks, aBaseline({ input: 'x', statistic: 'mean' }))).toMatch(/"x" is no input .*picture/);
  });

  it.each([
    ['an input that is not there', { input: 'y', statistic: 'mean' }, '"y" is no input with numbers of this release (x)'],
    ['text', { input: 'note', statistic: 'mean' }, '"note" is no input with numbers'],
    ['a place beyond the row', { input: 'x', statistic: 'value', at: 13 }, '"x" has no value at 13'],
  ])('is not of %s', (_what, input, why) => expect(baselineProblem(release, aBaseline(input))).toContain(why));

  it.each([
    ['a place of a mean', { input: 'x', statistic: 'mean', at: 1 }],
    ['a value of no place', { input: 'x', statistic: 'value' }],
    ['an edge too many', { input: 'x', statistic: 'mean', edges: [0, 1] }],
  ])('is refused with %s', (_what, input) => expect(() => aBaseline(input)).toThrow());
});
