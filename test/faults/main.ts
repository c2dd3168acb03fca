import { runner } from './runner.js';
import { story } from './story.js';
import { parentKilled } from './parent-killed.js';

/** One fault tried: what was done and whether the system bore it. */
export type Case = { name: string; ok: boolean; detail: string };
export type FaultSuite = { about: string; run: (log: (line: string) => void) => Promise<Case[]> };

const suites: Record<string, FaultSuite> = { story, 'parent-killed': parentKilled, runner };

const [name = '', ...flags] = process.argv.slice(2);
const suite = suites[name];
if (!suite) {
  console.error(
    `npm run faults -- NAME [--json], NAME one of:\n${Object.entries(suites)
      .map(([n, s]) => `  ${n.padEnd(14)} ${s.about}`)
      .join('\n')}`,
  );
  process.exit(64);
}
const cases = await suite.run((line) => console.log(line));
for (const { name: what, ok, detail } of cases) console.log(`${ok ? 'ok    ' : 'FAILED'} ${what}: ${detail}`);
const failed = cases.filter((c) => !c.ok).length;
if (flags.includes('--json'))
  console.log(
    JSON.stringify({
      faults: name,
      figures: { cases: { value: cases.length, unit: 'count' }, failed: { value: failed, unit: 'count' } },
      cases,
    }),
  );
process.exit(failed === 0 ? 0 : 1);
