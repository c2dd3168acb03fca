import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(findPackageJSON(import.meta.url)!));

/** A checkout with nothing in it but the lint configuration and one file. */
describe('a layer rule', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'flotilla-layers-'));
    const { options: _, ...config } = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as { options: unknown };
    writeFileSync(join(folder, '.oxlintrc.json'), JSON.stringify(config));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const lint = (file: string, code: string): string => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), code);
    try {
      return execFileSync(join(root, 'node_modules/.bin/oxlint'), [file], { cwd: folder, encoding: 'utf8' });
    } catch (error) {
      return String((error as { stdout: unknown }).stdout);
    } finally {
      rmSync(join(folder, file));
    }
  };
  const importing = (name: string) => `import * as x from '${name}';\nexport const y = x;\n`;

  it.each([
    ['control-plane/src/core/x.ts', importing('node:fs'), 'core is pure'],
    ['agent/src/core/x.ts', importing('../supervisor/outbox.js'), 'core is pure'],
    ['agent/src/core/x.ts', 'export const now = () => Date.now();\n', "Unexpected use of 'Date'"],
    ['agent/src/core/x.test.ts', importing('node:fs'), 'core is pure'],
    ['agent/src/supervisor/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['agent/src/supervisor/x.ts', importing('../runner/golden.js'), 'processes of their own'],
    ['agent/src/supervisor/x.ts', importing('@flotilla/control-plane/config'), 'meet only in @flotilla/protocol'],
    ['agent/src/http/x.ts', importing('../runner/golden.js'), 'processes of their own'],
    ['agent/src/gateway/x.ts', importing('../supervisor/outbox.js'), 'processes of their own'],
    ['agent/src/try/x.ts', importing('../gateway/lane.js'), 'as the processes that they are'],
    ['agent/src/baseline/x.ts', importing('../runner/golden.js'), 'as the processes that they are'],
    ['agent/src/runner/baseline/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['agent/src/try/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['agent/src/gateway/sources/x.ts', importing('../../runner/golden.js'), 'processes of their own'],
    ['agent/src/gateway/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['agent/src/runner/oip/x.ts', importing('../../gateway/source.js'), 'processes of their own'],
    ['agent/src/runner/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['agent/src/runner/oip/x.ts', importing('../../supervisor/outbox.js'), 'processes of their own'],
    ['agent/src/runner/queue/x.ts', importing('../../supervisor/outbox.js'), 'processes of their own'],
    ['control-plane/src/fleet/x.ts', importing('@flotilla/agent/config'), 'meet only in @flotilla/protocol'],
    ['control-plane/src/models/x.ts', importing('onnxruntime-node'), 'only agent/src/runner/engine loads ONNX Runtime'],
    ['control-plane/cli/x.ts', importing('../src/config.js'), 'talks HTTP only'],
    ['protocol/src/x.ts', importing('node:net'), 'the contract needs zod only'],
  ])('refuses in %s: %s', (file, code, why) => expect(lint(file, code)).toMatch(new RegExp(why)));

  it('refuses files that import each other, be it for a type', () => {
    const other = join(folder, 'agent/src/core/other.ts');
    mkdirSync(dirname(other), { recursive: true });
    writeFileSync(other, "import type { X } from './x.js';\nexport type Y = X;\n");
    const code = "import type { Y } from './other.js';\nexport type X = 'x' | Y;\n";
    expect(lint('agent/src/core/x.ts', code)).toMatch('import(no-cycle)');
    rmSync(other);
  });

  it.each([
    ['control-plane/src/core/x.ts', importing('@flotilla/protocol')],
    ['agent/src/runner/engine/x.ts', importing('onnxruntime-node')],
    ['control-plane/src/fleet/x.ts', importing('typeorm')],
  ])('has nothing against %s: %s', (file, code) => expect(lint(file, code)).not.toMatch(/no-restricted/));
});
