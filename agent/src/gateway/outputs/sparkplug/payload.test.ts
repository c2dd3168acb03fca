import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readCommand } from './command.js';
import { commandOf, decode, qualityIn, valueIn } from './fixtures/decode.js';
import { datatypes, encodePayload, type Metric } from './payload.js';

const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const valued = fc.oneof(
  fc.record({ datatype: fc.constant('Int32' as const), value: fc.integer() }),
  fc.record({ datatype: fc.constantFrom('Int64' as const, 'DateTime' as const), value: time }),
  fc.record({ datatype: fc.constant('Double' as const), value: fc.double({ noNaN: true }) }),
  fc.record({ datatype: fc.constant('Boolean' as const), value: fc.boolean() }),
  fc.record({ datatype: fc.constant('String' as const), value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ datatype: fc.constantFrom(...(Object.keys(datatypes) as Metric['datatype'][])), value: fc.constant(null) }),
);
const metric = fc
  .tuple(
    valued,
    fc.record(
      {
        name: fc.string({ minLength: 1 }),
        alias: time,
        withType: fc.boolean(),
        isHistorical: fc.boolean(),
        quality: fc.constantFrom(0 as const, 192 as const, 500 as const),
        unit: fc.string({ minLength: 1 }),
      },
      { requiredKeys: [] },
    ),
    time,
  )
  .map(([value, more, at]): Metric => ({ ...value, ...more, at }));
const payload = fc.record({ at: time, seq: fc.nat(255), metrics: fc.array(metric) });

it('is read by others as it was meant', () => {
  fc.assert(
    fc.property(payload, (written) => {
      const read = decode(encodePayload(written));
      expect([read.timestamp, read.seq, read.metrics.length]).toEqual([written.at, written.seq, written.metrics.length]);
      for (const [i, meant] of written.metrics.entries()) {
        const its = read.metrics[i]!;
        const value = valueIn(its);
        // Sparkplug's Int32 travels as two's complement in an unsigned field.
        expect(meant.datatype === 'Int32' && typeof value === 'number' ? value | 0 : value).toEqual(meant.value);
        expect([its.name, its.alias, its.timestamp]).toEqual([meant.name, meant.alias, meant.at]);
        expect(its.datatype).toBe(meant.withType ? datatypes[meant.datatype] : undefined);
        expect(its.isHistorical ?? false).toBe(meant.isHistorical ?? false);
        expect(qualityIn(its)).toBe(meant.quality);
        expect(its.properties?.values[its.properties.keys.indexOf('engUnit')]?.stringValue).toBe(meant.unit);
      }
    }),
  );
});

it('is whole when it is larger than anything before it', () => {
  const value = 'x'.repeat(200_000);
  const metrics: Metric[] = [1, 2, 3].map((alias) => ({ alias, datatype: 'String', at: 1, value }));
  expect(decode(encodePayload({ at: 1, seq: 2, metrics })).metrics.map(({ stringValue }) => stringValue)).toEqual([
    value,
    value,
    value,
  ]);
});

it('reads what hosts write, by name and by alias', () => {
  const command = commandOf({ name: 'Inspection/Trigger', stringValue: 'part-1' }, { alias: 7, booleanValue: true });
  expect(readCommand(command)).toEqual([
    { name: 'Inspection/Trigger', value: 'part-1' },
    { alias: 7, value: true },
  ]);
});

it('refuses bytes that are no command in one sentence, whatever they are', () => {
  expect(() => readCommand(Buffer.alloc(65_537))).toThrow('it has 65537 bytes, more than 65536');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readCommand(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect(error).not.toBeInstanceOf(TypeError);
        expect(error).not.toBeInstanceOf(RangeError);
      }
    }),
  );
});
