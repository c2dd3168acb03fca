import { sha256 } from '@flotilla/protocol/device';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpdateFailure } from '../core/failure.js';
import { temporaryFolder } from './fixtures/fleet-of-one.js';
import { VariantChoice } from './variant-choice.js';

let folder: string;
beforeEach(async () => void (folder = await temporaryFolder()));
afterEach(() => rmSync(folder, { recursive: true }));

const digest = sha256('release');
const figures = (meanComputeMs: number) => ({ loadMs: 1, meanComputeMs, peakRssBytes: 1, goldenCases: 1 });
/** Variants by the milliseconds that they take, or why they fail. */
const board = (variants: Record<string, number | UpdateFailure>) => async (variant: string) => {
  const result = variants[variant];
  if (typeof result === 'number') return figures(result);
  throw result ?? new Error(`no ${variant}`);
};
const golden = new UpdateFailure('golden', 'cosine 0.4');

describe('the choice of a variant', () => {
  it('is the fastest that passes', async () => {
    const choice = new VariantChoice(folder, 'x64');
    const chosen = await choice.choose(digest, ['a', 'b', 'c'], board({ a: 56.5, b: golden, c: 3.8 }));
    expect(chosen).toBe('c');
  });

  it('is one that could be timed before one that could not, and the first of those', async () => {
    const measure = (times: Record<string, number | undefined>) => async (variant: string) => {
      const { meanComputeMs, ...others } = figures(times[variant] ?? 0);
      return times[variant] === undefined ? others : { ...others, meanComputeMs };
    };
    const choice = new VariantChoice(folder, 'x64');
    expect(await choice.choose(digest, ['a', 'b'], measure({ b: 500 }))).toBe('b');
    expect(await choice.choose(digest, ['a', 'b'], measure({}))).toBe('a');
    expect(new VariantChoice(folder, 'x64').remembered(digest, ['a', 'b'])).toBe('a');
  });

  it('is remembered over restarts, for this release on this hardware only', async () => {
    await new VariantChoice(folder, 'x64').choose(digest, ['a', 'b'], board({ a: 9, b: 3 }));
    const later = new VariantChoice(folder, 'x64');
    expect(later.remembered(digest, ['a', 'b'])).toBe('b');
    expect(later.remembered(digest, ['a'])).toBeUndefined();
    expect(later.remembered(sha256('another'), ['a', 'b'])).toBeUndefined();
    expect(new VariantChoice(folder, 'x64/avx512_vnni').remembered(digest, ['a', 'b'])).toBeUndefined();
  });

  it('comes with what batches gained, where that was tried', async () => {
    const measure = async (variant: string) => ({
      ...figures(3),
      ...(variant === 'a' ? { batching: { on: true, gain: 4 } } : {}),
    });
    await new VariantChoice(folder, 'x64').choose(digest, ['a', 'b'], measure);
    const later = new VariantChoice(folder, 'x64');
    expect(later.batching(digest, 'a')).toEqual({ on: true, gain: 4 });
    expect(later.batching(digest, 'b')).toBeUndefined();
    expect(later.batching(digest, 'c')).toBeUndefined();
    expect(new VariantChoice(folder, 'arm64').batching(digest, 'a')).toBeUndefined();
  });

  it('tells why the most promising one failed when none passes, and remembers nothing', async () => {
    const choice = new VariantChoice(folder, 'x64');
    const slow = new UpdateFailure('latency', '400 ms');
    await expect(choice.choose(digest, ['a', 'b'], board({ a: golden, b: slow }))).rejects.toBe(golden);
    expect(choice.remembered(digest, ['a', 'b'])).toBeUndefined();
  });

  it('is not made on an interruption', async () => {
    const cut = new UpdateFailure('interrupted', 'SIGTERM');
    await expect(new VariantChoice(folder, 'x64').choose(digest, ['a', 'b'], board({ a: 3, b: cut }))).rejects.toBe(cut);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is made again where the file is damaged', async () => {
    const choice = new VariantChoice(folder, 'x64');
    await choice.choose(digest, ['a'], board({ a: 3 }));
    writeFileSync(join(folder, readdirSync(folder)[0]!), '{"v":1,');
    expect(choice.remembered(digest, ['a'])).toBeUndefined();
  });

  it('cannot be made of nothing', () =>
    expect(new VariantChoice(folder, 'x64').choose(digest, [], board({}))).rejects.toMatchObject({ failure: 'incompatible' }));
});
