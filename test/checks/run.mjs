// `npm run check`: types, then lint with the layer rules, format, migrations and OpenAPI in step. Each step says how long it took.
import { spawnSync } from 'node:child_process';

const steps = [
  ['types', 'tsc', ['-b']],
  ['lint', 'oxlint', ['--deny-warnings']],
  ['format', 'oxfmt', ['--check']],
  ['OpenAPI in step', 'node', ['control-plane/dist/src/write-openapi.js', '--check']],
  ['slot OpenAPI in step', 'node', ['agent/dist/runner/openapi/write.js', '--check']],
  ['gateway OpenAPI in step', 'node', ['agent/dist/gateway/openapi/write.js', '--check']],
  ['migrations in step', 'node', ['control-plane/dist/src/platform/check-migrations.js']],
];

let failed = 0;
for (const [name, command, args] of steps) {
  const from = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${String(name)} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
  if (status !== 0) console.log(stdout, stderr);
  failed += status === 0 ? 0 : 1;
}
process.exit(failed === 0 ? 0 : 1);
