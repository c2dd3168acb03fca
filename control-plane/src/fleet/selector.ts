import { AppError } from '../platform/errors.js';

/**
 * Label selectors, joined by commas (all must hold): `key=value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`, `key` (present),
 * `!key` (absent), `agent>=1.2` (also `>`, `<`, `<=`), and `*` (every device). As in Kubernetes, `!=` and `notin` hold for a device that
 * lacks the key too. Words with other characters than letters, digits and `_.+/:@-` are put in double quotes.
 */
export type Term =
  | { op: 'all' }
  | { op: 'in' | 'notin'; key: string; values: readonly string[] }
  | { op: 'present' | 'absent'; key: string }
  | { op: Comparison; key: 'agent'; version: readonly number[] };
export type Selector = readonly Term[];
export type Comparison = '<' | '<=' | '>' | '>=';

/** Keys that read what the device is or says of itself, not its labels; no label may bear such a name. */
export const reportedKeys = ['profile', 'hardwareClass', 'agent', 'release'] as const;
const reserved: readonly string[] = ['id', 'group', ...reportedKeys];
const ofOneSlot = 'release.';
export const isReserved = (key: string) => reserved.includes(key) || key.startsWith(ofOneSlot);

/** `release.inspection` names the slot "inspection"; `release` any slot. Undefined: it does not ask for a release. */
export function releaseKey(key: string): { slot?: string } | undefined {
  if (key === 'release') return {};
  return key.startsWith(ofOneSlot) ? { slot: key.slice(ofOneSlot.length) } : undefined;
}

type Token = { kind: 'word' | 'sign' | 'end'; text: string; at: number };

export function parseSelector(text: string): Selector {
  const tokens = tokenize(text);
  const terms: Term[] = [];
  let next = 0;
  const peek = () => tokens[next]!;
  const take = () => tokens[next++]!;
  const refuse = (token: Token, wanted: string): never => fail(text, token, wanted);
  const word = (wanted: string) => (peek().kind === 'word' ? take().text : refuse(peek(), wanted));
  const sign = (...signs: string[]) => (peek().kind === 'sign' && signs.includes(peek().text) ? take().text : undefined);

  const list = (key: string): string[] => {
    if (!sign('(')) refuse(peek(), `"(" and a list of values for "${key}"`);
    const values = [word(`a value for "${key}"`)];
    while (sign(',')) values.push(word(`a value for "${key}"`));
    if (!sign(')')) refuse(peek(), '"," or ")"');
    return values;
  };
  const compared = (key: string): Term => {
    if (key !== 'agent') refuse(peek(), `"=", "!=", "in", "notin" or ",": only "agent" can be compared`);
    const op = take().text as Comparison;
    const given = peek();
    const version = versionOf(word(`a version after "${op}"`));
    return version ? { op, key: 'agent', version } : refuse(given, `a version like 1, 1.2 or 1.2.3 after "${op}"`);
  };
  const absent = (key: string): Term => (key === 'group' ? refuse(peek(), 'another key than "group"') : { op: 'absent', key });
  const term = (): Term => {
    if (sign('*')) return { op: 'all' };
    if (sign('!')) return absent(word('a key after "!"'));
    const key = word('a key, "!" or "*"');
    const equality = sign('=', '==', '!=');
    if (equality) return { op: equality === '!=' ? 'notin' : 'in', key, values: [word(`a value after "${equality}"`)] };
    if (isComparison(peek())) return compared(key);
    const operator = peek().kind === 'word' ? take() : undefined;
    if (!operator && key === 'group') refuse(peek(), '"=", "!=", "in" or "notin" and the name of a group');
    if (!operator) return { op: 'present', key };
    if (operator.text !== 'in' && operator.text !== 'notin') return refuse(operator, '"=", "!=", "in", "notin" or ","');
    return { op: operator.text, key, values: list(key) };
  };

  do terms.push(term());
  while (sign(','));
  if (peek().kind !== 'end') refuse(peek(), '"," between two conditions');
  return terms;
}

const isComparison = ({ kind, text }: Token) => kind === 'sign' && /^[<>]/.test(text);

/** `1.2` stands for every 1.2.x. */
const versionOf = (text: string) => (/^\d{1,6}(\.\d{1,6}){0,2}$/.test(text) ? text.split('.').map(Number) : undefined);

const pattern = /\s*(?:(?<word>[A-Za-z0-9_.+/:@-]+)|"(?<quoted>[^"]*)"|(?<sign>==|!=|<=|>=|[=!<>,()*]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    const start = at + /^\s*/.exec(text.slice(at))![0].length;
    if (!found?.groups) return fail(text, { kind: 'sign', text: text[start]!, at: start }, misread(text[start]!));
    const { word, quoted, sign } = found.groups;
    tokens.push({ kind: sign === undefined ? 'word' : 'sign', text: word ?? quoted ?? sign!, at: start });
    at = pattern.lastIndex;
  }
  return [...tokens, { kind: 'end', text: '', at: end }];
}

const misread = (character: string) => (character === '"' ? 'a closing quote' : `a key, a value or one of = != < > ! , ( ) *`);

function fail(text: string, token: Token, wanted: string): never {
  const found = token.kind === 'end' ? 'it ends' : `found ${JSON.stringify(token.text)}`;
  const marked = `${text.slice(0, token.at)}⟨here⟩${text.slice(token.at)}`;
  throw new AppError('INVALID_SELECTOR', `selector: expected ${wanted} at character ${token.at + 1}, ${found}: ${marked}`);
}
