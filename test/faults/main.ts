import { Flags } from '../bench/flags.js';
import type { FaultSuite } from './fault-suite.js';
import { runner } from './runner.js';
import { story } from './story.js';
import { outputs } from './outputs.js';
import { pipeline } from './pipeline.js';
import { parentKilled } from './parent-killed.js';
import { telemetry } from './telemetry.js';

const suites: Record<string, FaultSuite> = { story, 'parent-killed': parentKilled, runner, pipeline, outputs, telemetry };

const [name = '', ...given] = process.argv.slice(2);
const flags = new Flags(given);
const suite = suites[name];
if (!suite) {
  console.error(
    `npm run faults -- NAME [--only WORD,…] [--json], NAME one of:\n${Object.entries(suites)
      .map(([n, s]) => `  ${n.padEnd(14)} ${s.about}`)
      .join('\n')}`,
  );
  process.exit(64);
}
const only = flags.list('only');
const wanted = (fault: string) => only.length === 0 || only.some((word) => fault.includes(word));
const cases = await suite.run((line) => console.log(line), wanted);
if (cases.length === 0) throw new Error(`no fault of "${name}" has ${only.join(' or ')} in its name`);
for (const { name: what, ok, detail } of cases) console.log(`${ok ? 'ok    ' : 'FAILED'} ${what}: ${detail}`);
const failed = cases.filter((c) => !c.ok).length;
if (flags.has('json'))
  console.log(
    JSON.stringify({
      faults: name,
      figures: { cases: { value: cases.length, unit: 'count' }, failed: { value: failed, unit: 'count' } },
      cases,
    }),
  );
process.exit(failed === 0 ? 0 : 1);
