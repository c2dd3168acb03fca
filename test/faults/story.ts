import type { Case, FaultSuite } from './main.js';
import { LocalStory } from './local-story.js';
import { kinds, processesBelow, type Kind } from './process-tree.js';

/** When in the story each kind is killed: the lines that `npm start` prints. */
const moments: readonly [Kind, string][] = [
  ['runner', 'stage second'],
  ['supervisor', 'Act 2'],
  ['broker', 'stage first: 1/1'],
  ['control plane', 'Act 3'],
  ['PostgreSQL', 'Act 4'],
];

/** Each kind of process is killed once with SIGKILL in mid-story; it must still end right. */
export const story: FaultSuite = {
  about: 'npm start -- --once with each kind of process killed once in mid-story',
  run: async (log) => {
    const cases: Case[] = [];
    for (const [kind, moment] of moments) {
      const result = await withKilled(kind, moment);
      log(`${result.ok ? 'ok' : 'FAILED'}: ${result.name}`);
      cases.push(result);
    }
    return cases;
  },
};

async function withKilled(kind: Kind, moment: string): Promise<Case> {
  const name = `${kind} killed at "${moment}"`;
  const fleet = await LocalStory.start();
  try {
    if (!(await fleet.until(moment))) return { name, ok: false, detail: `ended before: ${lastLines(fleet.output)}` };
    const victim = processesBelow(fleet.pid).find(({ command }) => kinds[kind].test(command));
    if (!victim) return { name, ok: false, detail: `found no ${kind} to kill` };
    process.kill(victim.pid, 'SIGKILL');
    const code = await fleet.exit;
    return { name, ok: code === 0, detail: code === 0 ? 'the story ended right' : `exit ${code}: ${lastLines(fleet.output)}` };
  } finally {
    await fleet.remove();
  }
}

const lastLines = (text: string) => text.trim().split('\n').slice(-4).join(' | ');
