import { expect, test } from 'vitest';
import { detectHardware } from './hardware.js';

const versions = { agent: '0.1.0', onnxRuntime: '1.30.0' };

test('each slot has one worker where nothing is said, and a worker has a thread always', () => {
  const { threads } = detectHardware('generic-x64', { a: {}, b: {} }, versions);
  expect(Object.keys(threads)).toEqual(['a', 'b']);
  expect(threads['a']).toMatchObject({ workers: 1 });
  expect(threads['a']!.intraOpThreads).toBeGreaterThanOrEqual(1);
});

test('more workers than this machine has threads for are refused in a sentence', () => {
  expect(() => detectHardware('generic-x64', { a: { workers: 64 }, b: { workers: 64 } }, versions)).toThrow(
    /^slots\.a\.workers: it asks for 64 workers, the others 64, and \d+ threads? (is|are) for inference here; set it lower\.$/,
  );
});
