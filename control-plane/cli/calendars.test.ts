import { expect, it } from 'vitest';
import { describePreview } from './rollout-text.js';

it('a preview says when devices would be offered a release, and begin to run it', () => {
  const calendars = [
    {
      devices: 6,
      offersFrom: '2026-12-01T11:00:00.000Z',
      activatesFrom: '2026-12-01T21:00:00.000Z',
      activatesUntil: '2026-12-02T03:00:00.000Z',
    },
    { group: 'lyon', devices: 3, offersFrom: null, activatesFrom: '2026-12-01T21:00:00.000Z', activatesUntil: null },
  ];
  const stages = [{ name: 'all', devices: 6, offline: 0, hardwareClasses: { x64: 6 }, first: ['lyon-1', 'lyon-2'] }];
  const none = { problems: [], rejected: [], unheard: [] };
  const preview = { ...none, planHash: 'h', stages, leftOut: 0, leastS: 600, mostBytes: 30e6, calendars };
  expect(describePreview(preview as unknown as Parameters<typeof describePreview>[0])).toContain(
    [
      'CALENDAR    DEVICES  OFFERED FROM              BEGINS FROM               UNTIL',
      'the plan    6        2026-12-01T11:00:00.000Z  2026-12-01T21:00:00.000Z  2026-12-02T03:00:00.000Z',
      'group lyon  3        never                     2026-12-01T21:00:00.000Z  -',
    ].join('\n'),
  );
});
