import { DeploymentId, Digest } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { LatestPrediction } from './latest-prediction.js';

const prediction = {
  id: '8f14e45f-0badcafe-1',
  at: '2026-11-22T10:00:00.000Z',
  seq: 7,
  release: 'colours@1.0.0',
  digest: Digest.parse('a'.repeat(64)),
  deployment: DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10'),
  top: [],
  computeMs: 1,
  totalMs: 2,
};

describe('the latest prediction', () => {
  test('is none at first, good when it came, and stale once it is older than the bound', () => {
    let ms = 500;
    const latest = new LatestPrediction(10_000, () => ms);
    expect(latest.read()).toBeUndefined();
    latest.set(prediction);
    expect(latest.read()).toEqual({ ...prediction, quality: 'good' });
    ms += 10_000;
    expect(latest.read()?.quality).toBe('good');
    ms += 1;
    expect(latest.read()).toEqual({ ...prediction, quality: 'stale' });
    latest.set({ ...prediction, seq: 8 });
    expect(latest.read()).toMatchObject({ seq: 8, quality: 'good' });
  });
});
