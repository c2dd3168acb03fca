import { sha256 } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { standingOf } from './reconciliation.js';

const [hash, other] = [sha256('a'), sha256('b')];

describe('what a device was told, against what it should have been told', () => {
  it.each([
    ['is current with the same epoch and hash', { epoch: 3, desiredHash: hash }, { epoch: 3, desiredHash: hash }, 'current'],
    ['is current before anything was ever issued', { epoch: 0, desiredHash: null }, { epoch: 0 }, 'current'],
    ['is behind with an older epoch', { epoch: 3, desiredHash: hash }, { epoch: 2, desiredHash: other }, 'behind'],
    ['is behind when it lost what it was told', { epoch: 3, desiredHash: hash }, { epoch: 3 }, 'behind'],
    [
      'shows a regressed database by a later epoch',
      { epoch: 3, desiredHash: hash },
      { epoch: 4, desiredHash: other },
      'regressed',
    ],
    ['shows one by other content of one epoch', { epoch: 3, desiredHash: hash }, { epoch: 3, desiredHash: other }, 'regressed'],
    ['shows one by an epoch not issued yet', { epoch: 3, desiredHash: null }, { epoch: 3, desiredHash: other }, 'regressed'],
  ] as const)('%s', (_name, row, reported, standing) => expect(standingOf(row, reported)).toBe(standing));
});
