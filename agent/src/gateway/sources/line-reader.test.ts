import { LinesSource } from '@flotilla/protocol/device';
import { describe, expect, it } from 'vitest';
import { LineReader, numbersOf } from './line-reader.js';
import { LineSplitter, mostLineBytes } from './line-splitter.js';

const reader = (format: object) => new LineReader(LinesSource.parse({ lines: { file: '/x' }, ...format }));

describe('a line of CSV', () => {
  it.each([
    ['1,2.5,-3e2', { a: 1, b: 2.5, c: -300 }],
    [' 1 , .5 ,+7.', { a: 1, b: 0.5, c: 7 }],
    [',NaN,null', { a: null, b: null, c: null }],
    ['n/a,inf,-Infinity', { a: null, b: null, c: null }],
    ['idle,"2,5","say ""hi"""', { a: 'idle', b: '2,5', c: 'say "hi"' }],
    ['"1", "2" ,""', { a: 1, b: 2, c: null }],
    ['0x10,1_000,1.2.3', { a: '0x10', b: '1_000', c: '1.2.3' }],
  ])('%s', (line, row) => expect(reader({ columns: ['a', 'b', 'c'] }).read(line)).toEqual(row));

  it.each([
    ['too few', '1,2', 'it has 2 fields, and there are 3 columns: "1,2"'],
    ['too many', '1,2,3,4', 'it has 4 fields'],
    ['a quote within', '"1"x,2,3', 'a quote ends within a field'],
  ])('with %s is named as broken', (_, line, why) => {
    expect(() => reader({ columns: ['a', 'b', 'c'] }).read(line)).toThrow(why);
  });

  it('takes names from the first line, and again when another file begins', () => {
    const lines = reader({});
    expect(lines.read('t,p')).toBeUndefined();
    expect(lines.read('1,2')).toEqual({ t: 1, p: 2 });
    expect(lines.read('t,p')).toBeUndefined();
    lines.begin();
    expect(lines.read('p,t')).toBeUndefined();
    expect(lines.read('1,2')).toEqual({ p: 1, t: 2 });
  });

  it.each(['1.5,2', 't,t', 't,,p'])('takes no names from %s', (line) => {
    const lines = reader({});
    expect(() => lines.read(line)).toThrow('the first line must name the columns');
    expect(lines.read('t,p')).toBeUndefined();
  });

  it('passes over columns without a name, and a header above named ones', () => {
    const lines = reader({ columns: [null, 'p'] });
    expect(lines.read('time,p')).toBeUndefined();
    expect(lines.read('12:00,2')).toEqual({ p: 2 });
  });

  it('is split at other separators, and read with a decimal comma', () => {
    expect(reader({ columns: ['a', 'b'], separator: ';', decimal: ',' }).read('1,5;-2,25')).toEqual({ a: 1.5, b: -2.25 });
    expect(reader({ columns: ['a', 'b'], separator: '\t' }).read('1\t2')).toEqual({ a: 1, b: 2 });
    expect(reader({ columns: ['a', 'b'], separator: ' ' }).read('   1.5 \t  2')).toEqual({ a: 1.5, b: 2 });
  });
});

describe('a line of JSON', () => {
  it('is an object of single values, of which columns may be picked', () => {
    expect(reader({ format: 'json' }).read('{"a":1,"b":"x","c":null,"d":true}')).toEqual({ a: 1, b: 'x', c: null, d: true });
    expect(reader({ format: 'json', columns: ['b', 'z'] }).read('{"a":1,"b":2}')).toEqual({ b: 2, z: null });
  });

  it.each([
    ['{"a":', 'no JSON'],
    ['[1]', 'no JSON object'],
    ['7', 'no JSON object'],
    ['{"a":{"b":1}}', '"a" is no single value'],
  ])('%s is named as broken', (line, why) => expect(() => reader({ format: 'json' }).read(line)).toThrow(why));
});

it.each([
  [{ a: 1, b: null }, 'b is missing'],
  [{ a: 'x' }, 'a is "x"'],
])('a sample of a signal has a number in each column: %o', (row, why) => {
  expect(() => numbersOf(row)).toThrow(why);
});

it.each([
  [{ lines: { serial: '/dev/ttyUSB0' } }, 'columns'],
  [{ lines: { file: '/x' }, format: 'json', as: { signal: { rate: 1, chunk: 1 } } }, 'columns'],
  [{ lines: { file: '/x' }, decimal: ',' }, 'decimal'],
])('a configuration that can not be meant is refused: %o', (config, path) => {
  expect(LinesSource.safeParse(config).error?.issues).toMatchObject([{ path: [path] }]);
});

describe('LineSplitter', () => {
  const text = '\uFEFFa,b\r\n\n1,2\n  \n3,4\nhalf';
  it.each([1, 2, 3, 7, 1000])('gives whole lines of pieces of %i bytes', (size) => {
    const splitter = new LineSplitter();
    const bytes = Buffer.from(text);
    const lines = [];
    for (let at = 0; at < bytes.length; at += size) lines.push(...splitter.push(bytes.subarray(at, at + size)));
    expect(lines).toEqual([{ text: 'a,b' }, { text: '1,2' }, { text: '3,4' }]);
    expect(splitter.reset()).toBe(true);
    expect(splitter.reset()).toBe(false);
  });

  it('lets go of a line without end, says how long it was, and goes on with the next', () => {
    const splitter = new LineSplitter();
    const piece = Buffer.alloc(64 * 1024, 'x');
    for (let i = 0; i < 100; i += 1) expect([...splitter.push(piece)]).toEqual([]);
    expect([...splitter.push(Buffer.from('\n1,2\n'))]).toEqual([{ tooLong: 100 * piece.length }, { text: '1,2' }]);
    expect(mostLineBytes).toBeLessThan(100 * piece.length);
  });

  it('keeps what it has when the buffer that it came in is used again', () => {
    const splitter = new LineSplitter();
    const buffer = Buffer.from('ab');
    expect([...splitter.push(buffer)]).toEqual([]);
    buffer.write('\n\n');
    expect([...splitter.push(buffer)]).toEqual([{ text: 'ab' }]);
  });
});
