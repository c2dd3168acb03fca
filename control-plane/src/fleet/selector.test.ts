import { describe, expect, it } from 'vitest';
import { AppError } from '../platform/errors.js';
import { matches, parseSelector, type Facts } from './selector.js';

const device: Facts = {
  id: 'lyon-3',
  profile: 'raspberry-pi-5',
  hardwareClass: 'raspberry-pi-5/1.30.0+dotprod',
  agent: '0.1.0',
  labels: { site: 'lyon', line: '3', note: 'by the door', canary: 'true' },
};

const refusal = (text: string) => {
  try {
    parseSelector(text);
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('a selector', () => {
  it.each<[string, boolean]>([
    ['*', true],
    ['site=lyon', true],
    ['site==lyon', true],
    ['site = turin', false],
    ['site!=turin', true],
    ['site != lyon', false],
    ['floor!=2', true],
    ['line in (1,2)', false],
    ['line in ( 2, 3 )', true],
    ['floor in (1)', false],
    ['line notin (1, 2)', true],
    ['line notin (3)', false],
    ['floor notin (3)', true],
    ['canary', true],
    ['pinned', false],
    ['!pinned', true],
    ['!canary', false],
    ['site in (lyon, turin), !pinned', true],
    ['site=lyon,line=4', false],
    ['*, canary=true', true],
    ['note="by the door"', true],
    ['"site"=lyon', true],
    ['note=""', false],
    ['id=lyon-3', true],
    ['profile in (raspberry-pi-4, raspberry-pi-5)', true],
    ['hardwareClass=raspberry-pi-5/1.30.0+dotprod', true],
    ['agent=0.1.0', true],
    ['in=notin', false],
    ['constructor', false],
  ])('%s', (text, expected) => expect(matches(parseSelector(text), device)).toBe(expected));

  it('takes an agent that has not reported yet as absent', () => {
    expect(matches(parseSelector('!agent'), { ...device, agent: null })).toBe(true);
  });

  it.each([
    ['', 'expected a key, "!" or "*" at character 1, it ends: ⟨here⟩'],
    ['site=', 'expected a value after "=" at character 6, it ends: site=⟨here⟩'],
    ['site=,line=3', 'expected a value after "=" at character 6, found ",": site=⟨here⟩,line=3'],
    ['site=lyon,', 'expected a key, "!" or "*" at character 11, it ends: site=lyon,⟨here⟩'],
    ['site=lyon line=3', 'expected "," between two conditions at character 11, found "line": site=lyon ⟨here⟩line=3'],
    ['site is lyon', 'expected "=", "!=", "in", "notin" or "," at character 6, found "is": site ⟨here⟩is lyon'],
    ['line in 1', 'expected "(" and a list of values for "line" at character 9, found "1": line in ⟨here⟩1'],
    ['line in ()', 'expected a value for "line" at character 10, found ")": line in (⟨here⟩)'],
    ['line in (1,', 'expected a value for "line" at character 12, it ends: line in (1,⟨here⟩'],
    ['line in (1 2)', 'expected "," or ")" at character 12, found "2": line in (1 ⟨here⟩2)'],
    ['!', 'expected a key after "!" at character 2, it ends: !⟨here⟩'],
    ['site~lyon', 'expected a key, a value or one of = != ! , ( ) * at character 5, found "~": site⟨here⟩~lyon'],
    ['note="by', 'expected a closing quote at character 6, found "\\"": note=⟨here⟩"by'],
  ])('refuses %j and shows the place', (text, message) => expect(refusal(text)).toBe(`INVALID_SELECTOR selector: ${message}`));
});
