import { expect, test } from 'vitest';
import { PredictionTally } from './prediction-tally.js';

test('an answer that no event told of is lost, from the first event of its runner on', () => {
  const tally = new PredictionTally();
  for (const id of ['a-0', 'a-1', 'a-2', 'a-3', 'b-0', 'c-5']) tally.answered(id);
  for (const seq of [1, 3]) tally.told(`a-${seq}`, String(seq));
  tally.moved();
  tally.told('b-0', '0');
  expect(tally.report()).toEqual({ events: 3, moved: 1, lost: 1, failures: [] });
});

test('an event that comes twice, or under another id, is a failure', () => {
  const tally = new PredictionTally();
  tally.told('a-b-1', '1');
  tally.told('a-b-1', '1');
  tally.told('a-b-2', '7');
  expect(tally.report().failures).toEqual(['prediction a-b-1 came twice', 'the event of prediction a-b-2 has the id 7']);
});
