import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const built = (module: string) => fileURLToPath(new URL(`../dist/${module}.js`, import.meta.url));
const undici = 'NativeModule internal/deps/undici/undici';

function loadedBy(specifier: string): string[] {
  const code = `await import(${JSON.stringify(specifier)}); console.log(JSON.stringify(process.moduleLoadList)); process.exit()`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })) as string[];
}

// Built by `npm test` before anything is run; a bare `vitest run` on a fresh clone has nothing yet.
describe.skipIf(!existsSync(built('node-http')))('a process of the agent', () => {
  it.each(['supervisor/run', 'supervisor/enrolment', 'runner/program'])('does not load undici with %s', (module) => {
    expect(loadedBy(built(module))).not.toContain(undici);
  });

  it('would, if it imported node:http by its name', () => expect(loadedBy('node:http')).toContain(undici));
});
