import { parseArgs } from 'node:util';
import { readPassing, writePassing } from './passing.js';
import { debianVectors, listVectors, runVectors, type VectorResult } from './vectors.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: debianVectors },
    update: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const names = await listVectors(values.data).catch((error: Error) => {
  console.error(
    `no test vectors: ${error.message}\nOn Debian: apt-get install libonnx-testdata; elsewhere say where they are with --data DIR.`,
  );
  process.exit(69);
});
const held = new Set(await readPassing());
const results = await runVectors(values.data, names);
const of = (result: VectorResult['result']) => results.filter((entry) => entry.result === result);
const passed = of('passed').map(({ name }) => name);
const regressed = results.filter(({ name, result }) => held.has(name) && result !== 'passed');
const gone = [...held].filter((name) => !names.includes(name));

if (values.verbose)
  for (const { name, result, why } of results) if (why) console.log(`${result.padEnd(12)} ${name}: ${why.slice(0, 200)}`);
for (const { name, result, why } of regressed) console.log(`REGRESSION   ${name}: ${result}: ${why}`);
for (const name of gone) console.log(`REGRESSION   ${name}: the vectors no longer have it`);
for (const name of passed) if (!held.has(name)) console.log(`passes now   ${name}`);
const kinds = ['other-values', 'not-loaded', 'not-run', 'not-served'] as const;
console.log(`${passed.length} of ${names.length} passed; ${kinds.map((kind) => `${of(kind).length} ${kind}`).join(', ')}`);
if (values.update) await writePassing(passed);
else process.exitCode = regressed.length + gone.length > 0 ? 1 : 0;
