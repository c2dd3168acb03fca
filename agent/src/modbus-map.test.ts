import { ModbusOutput } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSize, mapTable, registersOf } from './modbus-map.js';

describe('the register map', () => {
  it('gives each register a place of its own, within the block', () => {
    const layouts = fc.record({
      labelChars: fc.integer({ min: 0, max: 64 }).map((n) => n * 2),
      values: fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 16 }),
    });
    fc.assert(
      fc.property(layouts, (layout) => {
        const registers = registersOf(layout);
        let end = 0;
        for (const { at, words } of registers) {
          expect(at).toBeGreaterThanOrEqual(end);
          end = at + words;
        }
        expect(end).toBeLessThanOrEqual(blockSize(layout));
        expect(registers).toHaveLength(26 + (layout.labelChars > 0 ? 1 : 0) + layout.values.length);
      }),
    );
  });

  it('keeps its places: controllers are programmed with them', () => {
    const at = Object.fromEntries(registersOf({ labelChars: 32, values: ['width'] }).map((its) => [its.name, its.at]));
    expect(at).toMatchObject({
      status: 1,
      quality: 2,
      heartbeat: 3,
      sequence: 4,
      class: 10,
      confidence: 11,
      label: 48,
      'value width': 64,
    });
  });

  it('is printed for spreadsheets and for people, with the coil where there is one', () => {
    const slots = { press: ModbusOutput.parse({ base: 100, values: ['a,"b"'], wordOrder: 'little', trigger: true }) };
    const csv = mapTable(slots, 'csv').split('\n');
    expect(csv[0]).toBe('slot,unit,table,address,words,type,name,meaning');
    expect(csv).toContain(
      'press,1,holding and input register,104,2,"uint32, little word first",sequence,counts readings since the gateway began',
    );
    expect(csv.find((line) => line.includes('"value a,""b"""'))).toMatch(/^press,1,.*,164,2,"float32, little word first"/);
    expect(csv.at(-1)).toMatch(/^press,1,coil,100,1,bit,trigger,/);
    expect(mapTable({ press: { ...slots.press, trigger: false } }, 'markdown')).not.toContain('coil');
  });
});
