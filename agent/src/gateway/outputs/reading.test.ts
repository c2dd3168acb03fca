import { describe, expect, it, test } from 'vitest';
import type { SlotStatus } from '../../gateway-protocol.js';
import { aPrediction } from '../fixtures/predictions.js';
import { grade, headlineOf, type ReadingResult } from './reading.js';

describe('the headline of', () => {
  const cat = { label: 'cat', index: 3, score: 0.9 };
  const box = { ...cat, box: { left: 0, top: 0, width: 1, height: 1 } };
  it.each([
    ['a class', { top: [cat] }, { label: 'cat', index: 3, confidence: 0.9, count: 1 }],
    ['boxes', { boxes: [box, box] }, { label: 'cat', index: 3, confidence: 0.9, count: 2 }],
    ['no box', { boxes: [] }, { label: '', index: -1, confidence: 0, count: 0 }],
    ['a text', { text: { value: 'LOT 7', score: 0.8 } }, { label: 'LOT 7', index: -1, confidence: 0.8, count: 1 }],
    [
      'areas',
      { areas: [{ label: 'rust', index: 1, pixels: 4, share: 0.2 }] },
      { label: 'rust', index: 1, confidence: 0.2, count: 1 },
    ],
    ['an anomaly', { anomaly: { score: 7, threshold: 5, found: true } }, { label: 'anomaly', index: 1, confidence: 7, count: 1 }],
    [
      'a decision over what one frame shows',
      {
        top: [cat, { label: 'dog', index: 5, score: 0.1 }],
        decision: { label: 'dog', since: '2026-01-01T00:00:00Z', changed: false },
      },
      { label: 'dog', index: 5, confidence: 0.9, count: 1 },
    ],
    [
      'values',
      { values: [{ name: 'width', value: 2.5, unit: 'mm' }] },
      { label: '', values: [{ name: 'width', value: 2.5, unit: 'mm' }] },
    ],
  ])('%s', (_what, findings, expected) => expect(headlineOf(aPrediction(findings))).toMatchObject(expected));
});

describe('a reading is', () => {
  const status: SlotStatus = {
    slot: 'a' as SlotStatus['slot'],
    state: 'serving',
    update: 'idle',
    swaps: 0,
    rollBacks: 0,
    drift: 'none',
  };
  const result = (uncertain?: string): ReadingResult => ({
    prediction: aPrediction(uncertain === undefined ? {} : { uncertain }),
    capturedAt: 0,
    latencyMs: 1,
    headline: headlineOf(aPrediction({})),
  });
  test.each([
    ['good', result(), {}, false],
    ['uncertain', result('began anew'), {}, false],
    ['drifting', result('began anew'), { drift: 'drifting' as const }, false],
    ['stale', result(), { drift: 'drifting' as const }, true],
    ['stale', undefined, {}, true],
    ['safe-mode', result(), { state: 'safe-mode' as const }, false],
    ['safe-mode', undefined, { state: 'empty' as const }, true],
  ])('%s', (quality, latest, differently, isStale) => {
    const graded = grade(latest, { status: { ...status, ...differently }, isStale });
    expect(graded.quality).toBe(quality);
    expect(graded.reason === undefined).toBe(quality === 'good');
  });
});
