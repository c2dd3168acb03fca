import { describe, expect, it } from 'vitest';
import { AppError } from '../platform/errors.js';
import { parseSelector } from './selector.js';

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
  it('is read into terms, all of which must hold', () =>
    expect(parseSelector('site in (lyon, turin), !pinned, "by door", agent>=1.2, release.counting!=a@1.0.0, *')).toEqual([
      { op: 'in', key: 'site', values: ['lyon', 'turin'] },
      { op: 'absent', key: 'pinned' },
      { op: 'present', key: 'by door' },
      { op: '>=', key: 'agent', version: [1, 2] },
      { op: 'notin', key: 'release.counting', values: ['a@1.0.0'] },
      { op: 'all' },
    ]));

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
    ['site~lyon', 'expected a key, a value or one of = != < > ! , ( ) * at character 5, found "~": site⟨here⟩~lyon'],
    ['note="by', 'expected a closing quote at character 6, found "\\"": note=⟨here⟩"by'],
    [
      'line>=3',
      'expected "=", "!=", "in", "notin" or ",": only "agent" can be compared at character 5, found ">=": line⟨here⟩>=3',
    ],
    ['agent>', 'expected a version after ">" at character 7, it ends: agent>⟨here⟩'],
    ['agent<new', 'expected a version like 1, 1.2 or 1.2.3 after "<" at character 7, found "new": agent<⟨here⟩new'],
    ['group', 'expected "=", "!=", "in" or "notin" and the name of a group at character 6, it ends: group⟨here⟩'],
    ['!group,a', 'expected another key than "group" at character 7, found ",": !group⟨here⟩,a'],
  ])('refuses %j and shows the place', (text, message) => expect(refusal(text)).toBe(`INVALID_SELECTOR selector: ${message}`));
});
