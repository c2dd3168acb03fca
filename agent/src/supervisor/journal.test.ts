import { SlotName } from '@flotilla/protocol/device';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commits, play, preflighted, resolved, downloaded, target, toProbation, want, dies } from '../core/slot-play.js';
import { freshSlot, type SlotState } from '../core/slot-state.js';
import { temporaryFolder } from './fixtures/fleet-of-one.js';
import { Journal } from './journal.js';

let folder: string;
beforeEach(async () => void (folder = await temporaryFolder()));
afterEach(() => rmSync(folder, { recursive: true }));

const slot = SlotName.parse('inspection');
const open = () => Journal.open(folder, slot);
const file = () => join(folder, 'inspection.json');
const committed = play(commits('a'), []).state;
/** The state as JSON keeps it: what is undefined is absent. */
const plain = (state: SlotState) => JSON.parse(JSON.stringify(state)) as unknown;

describe('a journal', () => {
  it('is fresh at first', () => expect(open()).toMatchObject({ state: freshSlot, bootCount: 1 }));

  it.each([
    ['idle', freshSlot],
    ['offered', play([want('a')], []).state],
    ['resolved', play([want('a'), resolved], []).state],
    ['staged', play([want('a'), resolved, downloaded, preflighted], []).state],
    ['probation', play([...commits('b'), want('a'), ...toProbation], []).state],
    ['committed', committed],
    ['rolling-back', play([...commits('b'), want('a'), ...toProbation, dies()], []).state],
  ])('finds the state again: %s', (_name, state) => {
    open().journal.save(state);
    expect(open().state).toEqual(plain(state));
  });

  it('counts starts until the slot is steady', () => {
    for (const expected of [1, 2, 3]) {
      const { journal, bootCount } = open();
      expect(bootCount).toBe(expected);
      journal.save(committed);
    }
    const { journal } = open();
    journal.clearBoots();
    expect(open()).toMatchObject({ bootCount: 1, state: { committed: { digest: target('a').digest } } });
  });

  it('cut at any byte is set aside, and the last committed release is known still', () => {
    open().journal.save(committed);
    const whole = readFileSync(file());
    for (let bytes = 0; bytes < whole.length; bytes++) {
      writeFileSync(file(), whole.subarray(0, bytes));
      const { state, damage } = open();
      expect(state.committed).toEqual(committed.committed);
      expect(damage).toContain('inspection.json cannot be read');
      expect(readFileSync(`${file()}.damaged`)).toEqual(whole.subarray(0, bytes));
    }
  });

  it('that was written by a later agent is set aside', () => {
    writeFileSync(file(), JSON.stringify({ version: 2, bootCount: 0, state: {} }));
    expect(open().damage).toContain('the slot starts empty');
  });

  it('damaged together with its copy starts empty', () => {
    open().journal.save(committed);
    writeFileSync(file(), '{');
    writeFileSync(join(folder, 'inspection.last-good.json'), '{"digest":');
    expect(open()).toMatchObject({ state: freshSlot, damage: expect.stringContaining('the slot starts empty') });
  });

  it('forgets the copy when the slot is stopped', () => {
    const { journal } = open();
    journal.save(committed);
    journal.save(freshSlot);
    writeFileSync(file(), '{');
    expect(open().state).toEqual(freshSlot);
  });
});
