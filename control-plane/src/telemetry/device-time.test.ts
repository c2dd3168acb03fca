import { BootId } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { placeInTime } from './device-time.js';

const boot = BootId.parse('0192f3a0-0000-7000-8000-000000000001');
const earlier = BootId.parse('0192f3a0-0000-7000-8000-000000000002');
const receivedAt = new Date('2026-11-22T12:00:00Z');

describe('placing a record in time', () => {
  it('counts back from the moment of receipt by the uptime that has passed since', () => {
    expect(placeInTime({ boot, start: 90, end: 100 }, { boot, uptime: 130, receivedAt })).toEqual({
      startedAt: new Date('2026-11-22T11:59:20Z'),
      endedAt: new Date('2026-11-22T11:59:30Z'),
      receivedAt,
      uncertain: false,
    });
  });

  it('puts a record of an earlier boot before this one began, and says that this is a guess', () => {
    expect(placeInTime({ boot: earlier, start: 5000, end: 5010 }, { boot, uptime: 60, receivedAt })).toEqual({
      startedAt: new Date('2026-11-22T11:58:50Z'),
      endedAt: new Date('2026-11-22T11:59:00Z'),
      receivedAt,
      uncertain: true,
    });
  });

  it('lets nothing end after it came, or before it began', () => {
    const placed = placeInTime({ boot, start: 300, end: 200 }, { boot, uptime: 130, receivedAt });
    expect(placed).toMatchObject({ startedAt: receivedAt, endedAt: receivedAt });
  });
});
