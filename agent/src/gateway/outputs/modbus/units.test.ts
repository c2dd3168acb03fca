import { ModbusOutput } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FedPort } from '../../fixtures/ports.js';
import { SlotBlock } from './slot-block.js';
import { Units } from './units.js';

const started = Date.UTC(2026, 0, 1);
const fed: FedPort[] = [];
afterEach(() => fed.splice(0).forEach(({ port, inspections }) => (port.close(), inspections?.stop('over'))));

function slot(name = 'press', settings: object = {}, trigger?: object) {
  const its = new FedPort(name, trigger ? { trigger } : {});
  fed.push(its);
  return { fed: its, block: new SlotBlock(its.port, ModbusOutput.parse(settings), started) };
}
const pdu = (code: number, ...words: number[]) => {
  const bytes = Buffer.alloc(1 + words.length * 2);
  bytes[0] = code;
  for (const [i, word] of words.entries()) bytes.writeUInt16BE(word, 1 + i * 2);
  return bytes;
};
/** Registers that were read. */
function words(answer: Buffer): number[] {
  expect(answer[1]).toBe(answer.byteLength - 2);
  return Array.from({ length: answer[1]! / 2 }, (_, i) => answer.readUInt16BE(2 + i * 2));
}
const bit = (answer: Buffer, at: number) => (answer[2 + (at >> 3)]! >> (at & 7)) & 1;

describe('registers', () => {
  it('show one reading, by both functions alike', () => {
    const { fed: press, block } = slot('press', { values: ['width'] });
    const units = new Units([block]);
    press.tell({ swaps: 3, rollBacks: 1 });
    press.publish(
      { top: [{ label: 'Größe', index: 7, score: 0.98765 }], values: [{ name: 'width', value: 2.5 }], release: 'm@1.20.3-rc.1' },
      1_700_000_000_123,
    );
    const read = words(units.answer(1, pdu(3, 0, 66)));
    expect(read.slice(0, 3)).toEqual([1, 1, 1]);
    expect(read.slice(10, 13)).toEqual([7, 9877, 1]);
    expect((read[16]! << 16) | read[17]!).toBe(1_700_000_000);
    expect(read.slice(18, 19)).toEqual([123]);
    expect(read.slice(21, 24)).toEqual([1, 20, 3]);
    expect(read.slice(26, 28)).toEqual([3, 1]);
    expect(
      Buffer.from(read.slice(48, 64).flatMap((word) => [word >> 8, word & 255]))
        .toString('latin1')
        .replace(/\0+$/, ''),
    ).toBe('Gro?e');
    expect(read.slice(64)).toEqual([0x40_20, 0]);
    expect(words(units.answer(255, pdu(4, 0, 66))).slice(4)).toEqual(
      read.slice(4, 19).concat(expect.anything(), expect.anything(), read.slice(21)),
    );
  });

  it('put the low word first where it is asked for', () => {
    const { fed: press, block } = slot('press', { wordOrder: 'little', values: ['width'] });
    press.publish({ values: [{ name: 'width', value: 2.5 }] });
    const units = new Units([block]);
    expect(words(units.answer(1, pdu(4, 4, 2)))).toEqual([2, 0]);
    expect(words(units.answer(1, pdu(4, 64, 2)))).toEqual([0, 0x40_20]);
  });

  it('say nothing that could be trusted before there is a result, nor in safe mode', () => {
    const { fed: press, block } = slot();
    const units = new Units([block]);
    const state = () => [...words(units.answer(1, pdu(4, 1, 2))), bit(units.answer(1, pdu(2, 0, 1)), 0)];
    expect(words(units.answer(1, pdu(4, 19, 2)))).toEqual([0xff_ff, 0xff_ff]);
    expect(words(units.answer(1, pdu(4, 10, 1)))).toEqual([0xff_ff]);
    expect(state()).toEqual([1, 0, 0]);
    press.publish();
    expect(state()).toEqual([1, 1, 1]);
    press.tell({ drift: 'drifting' });
    expect(state()).toEqual([1, 4, 0]);
    press.tell({ state: 'safe-mode' });
    expect(state()).toEqual([2, 5, 0]);
    press.tell({ state: 'empty' });
    expect(state()).toEqual([0, 5, 0]);
  });
});

describe('what is refused', () => {
  it.each([
    ['a function that it has not', 1, pdu(6, 0, 1), 1],
    ['many registers to be written', 1, pdu(16, 0, 1), 1],
    ['a coil to be written where there is none', 1, pdu(5, 0, 0xff_00), 1],
    ['another unit', 9, pdu(4, 0, 1), 11],
    ['what lies before the block', 1, pdu(4, 99, 2), 2],
    ['what reaches beyond it', 1, pdu(4, 163, 2), 2],
    ['inputs beyond the last', 1, pdu(2, 104, 4), 2],
    ['coils where there are none', 1, pdu(1, 100, 1), 2],
    ['no register', 1, pdu(3, 100, 0), 3],
    ['too many', 1, pdu(3, 100, 126), 3],
    ['half a request', 1, pdu(3, 100), 3],
  ])('%s', (_what, unit, request, code) => {
    const { block } = slot('press', { base: 100 });
    expect([...new Units([block]).answer(unit, request)]).toEqual([request[0]! | 0x80, code]);
  });

  it('two slots on the same registers, with what to do', () => {
    const [left, right] = [slot('left').block, slot('right', { base: 63 }).block];
    expect(() => new Units([left, right])).toThrow(
      'the registers of "right" would lie over those of "left" (unit 1, 0 to 63): give it another unit, or base: 64',
    );
    expect(() => new Units([left, slot('right', { base: 64 }).block, slot('other', { unit: 2 }).block])).not.toThrow();
  });

  it('anything else, without an end of its own', () => {
    const { block } = slot('press', { trigger: true }, {});
    const units = new Units([block]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 253 }), (bytes) => {
        const answer = units.answer(1, Buffer.from(bytes));
        expect(answer.byteLength).toBeLessThanOrEqual(253);
        expect(answer[0]! & 0x7f).toBe(bytes[0]! & 0x7f);
      }),
    );
  });
});

describe('the trigger', () => {
  const on = pdu(5, 0, 0xff_00);
  const off = pdu(5, 0, 0);
  const begin = () => {
    const { fed: press, block } = slot('press', { trigger: true }, { acknowledgeMs: 60_000 });
    const units = new Units([block]);
    const state = () => words(units.answer(1, pdu(4, 13, 1)))[0];
    return { press, units, state };
  };

  it('leads from ready over busy and done to ready, once for each edge', () => {
    const { press, units, state } = begin();
    expect(state()).toBe(1);
    expect(units.answer(1, on)).toEqual(on);
    expect(units.answer(1, on)).toEqual(on);
    expect(state()).toBe(2);
    expect(bit(units.answer(1, pdu(1, 0, 1)), 0)).toBe(1);
    press.inspect({ top: [{ label: 'ok', index: 1, score: 1 }] });
    expect(state()).toBe(3);
    expect(words(units.answer(1, pdu(4, 6, 2)))).toEqual([0, 1]);
    expect(bit(units.answer(1, pdu(2, 0, 7)), 6)).toBe(1);
    expect(units.answer(1, off)).toEqual(off);
    expect(state()).toBe(1);
    expect(units.answer(1, Buffer.from([15, 0, 0, 0, 1, 1, 1]))).toEqual(Buffer.from([15, 0, 0, 0, 1]));
    expect(words(units.answer(1, pdu(4, 14, 2)))).toEqual([0, 2]);
    // The result that is shown is still the first one's.
    expect(bit(units.answer(1, pdu(2, 0, 7)), 6)).toBe(0);
  });

  it('is busy for who comes while another is under way', () => {
    const { press, units } = begin();
    press.inspections!.command('by-http');
    expect([...units.answer(1, on)]).toEqual([0x85, 6]);
    press.inspect();
    press.inspections!.acknowledge('by-http');
    expect(units.answer(1, on)).toEqual(on);
  });

  it('fails where the slot has none, and takes no other value', () => {
    const { block } = slot('press', { trigger: true });
    expect([...new Units([block]).answer(1, on)]).toEqual([0x85, 4]);
    expect([...begin().units.answer(1, pdu(5, 0, 1))]).toEqual([0x85, 3]);
    expect([...begin().units.answer(1, pdu(5, 1, 0xff_00))]).toEqual([0x85, 2]);
  });
});
