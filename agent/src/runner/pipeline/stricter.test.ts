import { expect, it } from 'vitest';
import type { Findings } from '../../prediction.js';
import { stricter } from './stricter.js';

const ranked = (...scores: number[]) => scores.map((score, index) => ({ label: `class ${index}`, index, score }));
const place = { box: { left: 0, top: 0, width: 8, height: 8 } };

it('leaves out what scores below, wherever a graph has put it', () => {
  const found: Findings = {
    top: ranked(0.9, 0.1),
    boxes: [
      {
        ...ranked(0.8)[0]!,
        ...place,
        text: { value: 'LOT 7', score: 0.4 },
        boxes: ranked(0.7, 0.2).map((box) => ({ ...box, ...place })),
      },
      { ...ranked(0.3)[0]!, ...place },
    ],
    named: { colour: { top: ranked(0.6, 0.4), values: [{ name: 'hue', value: 0.1 }] } },
  };
  expect(stricter(found, 0.5)).toEqual({
    top: ranked(0.9),
    boxes: [
      { ...ranked(0.8)[0]!, ...place, text: { value: '', score: 0 }, boxes: ranked(0.7).map((box) => ({ ...box, ...place })) },
    ],
    named: { colour: { top: ranked(0.6), values: [{ name: 'hue', value: 0.1 }] } },
  });
});
