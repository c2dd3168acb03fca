import { CutNode } from '@flotilla/protocol/device';
import { expect, test } from 'vitest';
import { chosen, cutOut } from './cut.js';
import { type Scene, turned, wholeScene } from './scene.js';
import { applied } from './transform.js';

const [width, height] = [9, 7];
/** Each pixel says where it lies. */
const whole = wholeScene(
  Uint8Array.from({ length: width * height * 3 }, (_, i) => [Math.floor(i / 3) % width, Math.floor(i / 3 / width), 0][i % 3]!),
  width,
  height,
);
const box = { left: 2, top: 1, width: 5, height: 3 };
const cut = (change: object = {}, quad?: [number, number][]) =>
  cutOut(whole, { box, ...(quad ? { quad } : {}) }, CutNode.parse({ cut: 'boxes', ...change }))!;

test.each<[string, Scene]>([
  ['cut', cut()],
  ['cut with a margin that the picture ends', cut({ pad: 0.8 })],
  ['turned by 90°', turned(cut(), 90)],
  ['turned by 180°', turned(cut(), 180)],
  ['turned by 270°', turned(cut(), 270)],
  ['turned twice', turned(turned(cut(), 90), 270)],
  [
    'cut again out of what was turned',
    cutOut(turned(cut(), 90), { box: { left: 1, top: 1, width: 2, height: 3 } }, CutNode.parse({ cut: 'boxes' }))!,
  ],
])('a picture that was %s knows where its pixels came from', (_how, { data, width: w, height: h, toWhole }) => {
  expect(data).toHaveLength(w * h * 3);
  for (let at = 0; at < w * h; at++) {
    const centre = applied(toWhole, [(at % w) + 0.5, Math.floor(at / w) + 0.5]);
    expect(centre.map(Math.floor)).toEqual([...data.subarray(at * 3, at * 3 + 2)]);
  }
});

test('a quad that is upright is the box', () => {
  const quad: [number, number][] = [
    [2, 1],
    [7, 1],
    [7, 4],
    [2, 4],
  ];
  expect(cut({ along: 'quad', reference: 'opencv-linear' }, quad).data).toEqual(cut().data);
});

test('what is taller than so many widths is laid down, counter-clockwise', () => {
  const tall = cutOut(whole, { box: { left: 2, top: 1, width: 2, height: 4 } }, CutNode.parse({ cut: 'boxes', turnTall: 1.5 }))!;
  expect([tall.width, tall.height]).toEqual([4, 2]);
  // The top right corner comes to the top left.
  expect([...tall.data.subarray(0, 2)]).toEqual([3, 1]);
  expect(cut({ turnTall: 1.5 }).width).toBe(5);
});

test('nothing is cut out of what lies outside', () => {
  expect(cutOut(whole, { box: { left: 20, top: 1, width: 4, height: 4 } }, CutNode.parse({ cut: 'boxes' }))).toBeUndefined();
});

test('the best boxes with the labels that are wanted are cut, in the order in which they were found', () => {
  const boxes = [
    ['a', 0.5],
    ['b', 0.9],
    ['a', 0.7],
    ['a', 0.2],
  ].map(([label, score]) => ({ label: label as string, index: 0, score: score as number, box }));
  const of = (change: object) => chosen(boxes, CutNode.parse({ cut: 'boxes', ...change }));
  expect(of({})).toEqual([0, 1, 2, 3]);
  expect(of({ only: ['a'], most: 2 })).toEqual([0, 2]);
  expect(of({ most: 1 })).toEqual([1]);
  expect(of({ least: 0.6 })).toEqual([1, 2]);
});
