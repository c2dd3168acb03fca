import { LocalStory } from './local-story.js';
import type { Case, FaultSuite } from './fault-suite.js';
import { kinds, processesBelow, type Kind } from './process-tree.js';

/** When in the story each kind is killed: the lines that `npm start` prints. */
const moments: readonly [string, Kind][] = [
  ['stage second: 2/2 soaking', 'runner'],
  ['Act 2', 'supervisor'],
  ['taken back', 'broker'],
  ['Act 4', 'control plane'],
  ['stage second: 2/2 soaking', 'PostgreSQL'],
];

/** Each kind of process is killed once with SIGKILL in mid-story; it must still end right. */
export const story: FaultSuite = {
  about: 'npm start -- --once with each kind of process killed once in mid-story',
  run: async (log) => {
    const fleet = await LocalStory.start();
    try {
      const cases: Case[] = [];
      for (const [moment, kind] of moments) {
        cases.push(await killAt(fleet, moment, kind));
        log(`${kind}: ${cases.at(-1)!.detail}`);
      }
      const code = await fleet.exit;
      return [...cases, { name: 'the story ends right', ok: code === 0, detail: `exit ${code}: ${lastLines(fleet.output)}` }];
    } finally {
      await fleet.remove();
    }
  },
};

async function killAt(fleet: LocalStory, moment: string, kind: Kind): Promise<Case> {
  const name = `${kind} killed at "${moment}"`;
  if (!(await fleet.until(moment))) return { name, ok: false, detail: `the story ended before: ${lastLines(fleet.output)}` };
  const victim = processesBelow(fleet.pid).find(({ command }) => kinds[kind].test(command));
  if (!victim) return { name, ok: false, detail: `found no ${kind} to kill` };
  process.kill(victim.pid, 'SIGKILL');
  return { name, ok: true, detail: `killed ${victim.pid} (${victim.command.slice(0, 60)})` };
}

const lastLines = (text: string) => text.trim().split('\n').slice(-4).join(' | ');
