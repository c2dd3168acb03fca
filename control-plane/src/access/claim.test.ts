import { describe, expect, test } from 'vitest';
import { judgeClaim } from './claim.js';
import type { ClaimTokenRow } from './claim-token.entity.js';

const at = (hours: number) => new Date(Date.UTC(2026, 0, 1, hours));
const aToken = (overrides: Partial<ClaimTokenRow> = {}): ClaimTokenRow => ({
  id: '00000000-0000-4000-8000-000000000000',
  secretHash: 'x',
  name: null,
  replace: false,
  approval: false,
  labels: {},
  createdAt: at(0),
  expiresAt: at(24),
  usedAt: null,
  keyThumbprint: null,
  device: null,
  ...overrides,
});
const used = aToken({ usedAt: at(1), keyThumbprint: 'key-1', device: 'dev-1' });

describe('a claim token', () => {
  test('lets one device in', () => expect(judgeClaim(aToken(), 'key-1', at(1))).toEqual({ repeats: null }));
  test('that nobody here made is refused', () =>
    expect(judgeClaim(null, 'key-1', at(1))).toHaveProperty('refused', expect.stringContaining('did not make')));
  test('is refused at the moment that it expires', () => {
    expect(judgeClaim(aToken(), 'key-1', new Date(at(24).getTime() - 1))).toEqual({ repeats: null });
    expect(judgeClaim(aToken(), 'key-1', at(24))).toHaveProperty('refused', expect.stringContaining('expired'));
  });
  test('lets the same key come again for 24 hours, expired or not', () => {
    expect(judgeClaim(used, 'key-1', at(2))).toEqual({ repeats: 'dev-1' });
    expect(judgeClaim(used, 'key-1', at(25))).toEqual({ repeats: 'dev-1' });
    expect(judgeClaim(used, 'key-1', new Date(at(25).getTime() + 1))).toHaveProperty('refused');
  });
  test('is refused to another key', () =>
    expect(judgeClaim(used, 'key-2', at(2))).toHaveProperty('refused', expect.stringContaining('has been used')));
});
