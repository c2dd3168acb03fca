import { AppError } from '../platform/errors.js';

/**
 * Label selectors, joined by commas (all must hold): `key=value`, `key!=value`, `key in (a, b)`, `key notin (a, b)`, `key` (present),
 * `!key` (absent) and `*` (every device). As in Kubernetes, `!=` and `notin` hold for a device that lacks the key too.
 * Words with other characters than letters, digits and `_.+/:@-` are put in double quotes.
 */
export type Term =
  | { op: 'all' }
  | { op: 'in' | 'notin'; key: string; values: readonly string[] }
  | { op: 'present' | 'absent'; key: string };
export type Selector = readonly Term[];

/** What a selector can ask a device for. */
export type Facts = Readonly<{
  id: string;
  profile: string;
  hardwareClass: string;
  agent: string | null;
  labels: Readonly<Record<string, string>>;
}>;

/** Keys that read what the device is, not its labels; no label may bear such a name. */
export const factKeys = ['id', 'profile', 'hardwareClass', 'agent'] as const;
type FactKey = (typeof factKeys)[number];
const isFactKey = (key: string): key is FactKey => (factKeys as readonly string[]).includes(key);

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
  const term = (): Term => {
    if (sign('*')) return { op: 'all' };
    if (sign('!')) return { op: 'absent', key: word('a key after "!"') };
    const key = word('a key, "!" or "*"');
    const comparison = sign('=', '==', '!=');
    if (comparison) return { op: comparison === '!=' ? 'notin' : 'in', key, values: [word(`a value after "${comparison}"`)] };
    const operator = peek().kind === 'word' ? take() : undefined;
    if (!operator) return { op: 'present', key };
    if (operator.text !== 'in' && operator.text !== 'notin') return refuse(operator, '"=", "!=", "in", "notin" or ","');
    return { op: operator.text, key, values: list(key) };
  };

  do terms.push(term());
  while (sign(','));
  if (peek().kind !== 'end') refuse(peek(), '"," between two conditions');
  return terms;
}

export const matches = (selector: Selector, facts: Facts): boolean => selector.every((term) => holds(term, facts));

function holds(term: Term, facts: Facts): boolean {
  if (term.op === 'all') return true;
  const value = read(term.key, facts);
  switch (term.op) {
    case 'present':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && term.values.includes(value);
    case 'notin':
      return value === undefined || !term.values.includes(value);
  }
}

function read(key: string, facts: Facts): string | undefined {
  if (isFactKey(key)) return facts[key] ?? undefined;
  return Object.hasOwn(facts.labels, key) ? facts.labels[key] : undefined;
}

const pattern = /\s*(?:(?<word>[A-Za-z0-9_.+/:@-]+)|"(?<quoted>[^"]*)"|(?<sign>==|!=|[=!,()*]))/y;

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

const misread = (character: string) => (character === '"' ? 'a closing quote' : `a key, a value or one of = != ! , ( ) *`);

function fail(text: string, token: Token, wanted: string): never {
  const found = token.kind === 'end' ? 'it ends' : `found ${JSON.stringify(token.text)}`;
  const marked = `${text.slice(0, token.at)}⟨here⟩${text.slice(token.at)}`;
  throw new AppError('INVALID_SELECTOR', `selector: expected ${wanted} at character ${token.at + 1}, ${found}: ${marked}`);
}
