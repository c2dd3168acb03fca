import { type Comparison, releaseKey, reportedKeys, type Selector, type Term } from './selector.js';

/** Takes a value and gives the placeholder that stands for it. */
export type Bind = (value: unknown) => string;

/** A condition on a row of `device`: what a selector means is said here and nowhere else. Never null. */
export const selectorSql = (selector: Selector, bind: Bind): string =>
  selector.map((term) => `(${termSql(term, bind)})`).join(' AND ');

function termSql(term: Term, bind: Bind): string {
  switch (term.op) {
    case 'all':
      return 'TRUE';
    case 'in':
      return someOf(term.key, term.values, bind);
    case 'notin':
      return `NOT ${someOf(term.key, term.values, bind)}`;
    case 'present':
      return present(term.key, bind);
    case 'absent':
      return `NOT ${present(term.key, bind)}`;
    case '<':
    case '<=':
    case '>':
    case '>=':
      return `coalesce(${agentOrder} ${boundOf(term.op, term.version, bind)}, FALSE)`;
  }
}

function someOf(key: string, values: readonly string[], bind: Bind): string {
  const list = `CAST(${bind(values)} AS text[])`;
  if (key === 'group')
    return `EXISTS (SELECT 1 FROM group_member member WHERE member.device = device.id AND member.group_name = ANY(${list}))`;
  const release = releaseKey(key);
  return release ? runs(release, list, bind) : `coalesce(${valueOf(key, bind)} = ANY(${list}), FALSE)`;
}

/** `model@version`, or the model in any version. */
function runs({ slot }: { slot?: string }, list: string, bind: Bind): string {
  const its = slot === undefined ? '' : ` AND report.slot = ${bind(slot)}`;
  return `EXISTS (SELECT 1 FROM slot_report report JOIN release ON release.digest = report.digest WHERE report.device = device.id${its}
    AND (release.model = ANY(${list}) OR release.model || '@' || release.version = ANY(${list})))`;
}

function present(key: string, bind: Bind): string {
  const release = releaseKey(key);
  if (!release) return `(${valueOf(key, bind)} IS NOT NULL)`;
  const its = release.slot === undefined ? '' : ` AND report.slot = ${bind(release.slot)}`;
  return `EXISTS (SELECT 1 FROM slot_report report WHERE report.device = device.id${its} AND report.digest IS NOT NULL)`;
}

const columns: Readonly<Record<string, string>> = {
  id: 'device.id',
  profile: 'device.profile',
  hardwareClass: 'device.hardware_class',
  agent: 'device.agent',
};
const valueOf = (key: string, bind: Bind) =>
  Object.hasOwn(columns, key) ? columns[key]! : `(device.labels ->> CAST(${bind(key)} AS text))`;

/** Arrays are compared element by element; a pre-release comes before its release. Null where the agent's version is none. */
const agentOrder = `(CASE WHEN device.agent ~ '^[0-9]{1,6}[.][0-9]{1,6}[.][0-9]{1,6}([-+]|$)'
  THEN CAST(string_to_array(substring(device.agent from '^[0-9.]+'), '.') AS int[]) || CASE WHEN device.agent ~ '^[0-9.]+-' THEN 0 ELSE 1 END END)`;

/** As npm reads it: `>=1.2` begins with 1.2.0, `>1.2` with 1.3.0; `<` and `<=` are their opposites. */
function boundOf(op: Comparison, version: readonly number[], bind: Bind): string {
  const filled = (parts: readonly number[], last: 0 | 1) => [...parts, 0, 0].slice(0, 3).concat(last);
  const first = filled(version, 1);
  const after = filled(version.with(-1, version.at(-1)! + 1), 0);
  const bound = op === '>=' || op === '<' ? first : after;
  return `${op.startsWith('>') ? '>=' : '<'} CAST(${bind(bound)} AS int[])`;
}

/** What a selector looks at: `label:KEY`, `group:NAME`, or a fact that devices report. */
export function readsOf(selector: Selector): ReadonlySet<string> {
  return new Set(
    selector.flatMap((term): string[] => {
      if (term.op === 'all') return [];
      if (term.key === 'group') return 'values' in term ? term.values.map((name) => `group:${name}`) : [];
      if (term.key === 'id') return [];
      if (releaseKey(term.key)) return ['release'];
      return [(reportedKeys as readonly string[]).includes(term.key) ? term.key : `label:${term.key}`];
    }),
  );
}
