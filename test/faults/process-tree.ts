import { readdirSync, readFileSync } from 'node:fs';

type ProcessInfo = { pid: number; parent: number; command: string };

/** Every process below `root`, from /proc. */
export function processesBelow(root: number): ProcessInfo[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => infoOf(Number(name)));
  const below = new Set([root]);
  // A parent can have a higher pid than its child: go round until nothing is added.
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  return all.filter(({ pid }) => below.has(pid) && pid !== root);
}

function infoOf(pid: number): ProcessInfo[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return [{ pid, parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
  } catch {
    return []; // it ended while we looked
  }
}

/** The kinds of process that a local fleet is made of, told by their command lines. */
export const kinds = {
  'control plane': /control-plane\/dist\/src\/main\.js/,
  broker: /link\/broker\/child\.js/,
  PostgreSQL: /bin\/postgres -D|bin\/postgres --pgdata|bin\/postgres /,
  supervisor: /flotilla-agent\.js run/,
  runner: /runner\/main\.js|flotilla-runner/,
} as const;
export type Kind = keyof typeof kinds;
