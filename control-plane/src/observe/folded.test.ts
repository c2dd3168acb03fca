import { expect, test } from 'vitest';
import { mostSeries } from './families.js';
import { folded } from './folded.js';

const readings = (count: number) =>
  Array.from({ length: count }, (_, value) => ({ labels: { release: `m@1.0.${value}` }, value }));

test('what is more than a family may have is counted, and the first stay', () => {
  const kept = folded([
    ['flotilla_release_devices', readings(mostSeries + 7)],
    ['flotilla_rollouts', readings(mostSeries)],
  ]);
  expect(kept.get('flotilla_release_devices')).toEqual(readings(mostSeries));
  expect(kept.get('flotilla_rollouts')).toHaveLength(mostSeries);
  expect(kept.get('flotilla_folded')).toEqual([{ labels: { family: 'flotilla_release_devices' }, value: 7 }]);
});
