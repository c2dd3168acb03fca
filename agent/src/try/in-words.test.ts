import { Prediction } from '../prediction.js';
import { expect, test } from 'vitest';
import { lineOf } from './in-words.js';

const at = '2026-03-01T10:00:00.000Z';
const prediction = (found: object): Prediction =>
  Prediction.parse({
    id: 'a',
    at,
    seq: 1,
    release: 'a@1.0.0',
    digest: 'a'.repeat(64),
    deployment: '8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10',
    top: [],
    computeMs: 1.25,
    totalMs: 3.5,
    source: 'picture.jpg',
    ...found,
  });
const box = { left: 1, top: 2, width: 3, height: 4 };
const aBox = { label: 'face', index: 0, score: 0.912, box };
const said = (label: string, more: object = {}) => ({ decision: { label, since: at, changed: false, score: 0.8, ...more } });

test.each([
  ['nothing found', { boxes: [] }],
  ['2 × face (91 %, 80 %)', { boxes: [aBox, { ...aBox, score: 0.8 }] }],
  ['“LOT 42”  “2026”', { boxes: ['LOT 42', '2026'].map((value) => ({ ...aBox, text: { value, score: 1 } })) }],
  ['“LOT 42”', { text: { value: 'LOT 42', score: 1 } }],
  ['espresso (70 %)', { top: [{ label: 'espresso', index: 1, score: 0.7 }] }],
  ['remaining life 2100 h', { values: [{ name: 'remaining life', value: 2099.99, unit: 'h' }] }],
  ['anomaly (3.50)', { anomaly: { score: 3.5, threshold: 3, found: true } }],
  ['speech (80 %)', said('speech', { changed: true })],
  ['speech ended after 1.25 s', { ...said('silence'), segment: { label: 'speech', onset: at, end: '2026-03-01T10:00:01.250Z' } }],
])('says "%s"', (words, found) => {
  const line = lineOf(prediction(found));
  expect(line).toMatch(/^\d\d:\d\d:\d\d\.000 {2}/);
  expect(line).toContain(`  ${words}  picture.jpg  (3.5 ms, 1.3 ms of it computing)`);
});

test('says nothing where a decision goes on', () => expect(lineOf(prediction(said('silence')))).toBeUndefined());
