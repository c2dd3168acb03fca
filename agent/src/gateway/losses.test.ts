import { expect, it } from 'vitest';
import { aLog } from '../fixtures/eventually.js';
import { Losses } from './losses.js';

it('counts each loss, and names one of a flood', () => {
  const log = aLog();
  const losses = new Losses('line-1', log);
  for (let line = 1; line <= 1000; line += 1) losses.add({ name: `log.csv:${line}`, reason: 'it has 1 fields' });
  expect(losses.count).toBe(1000);
  expect(log.lines).toEqual([
    {
      level: 'warn',
      fields: { slot: 'line-1', name: 'log.csv:1', reason: 'it has 1 fields' },
      message: 'the source has lost something',
    },
  ]);
});
