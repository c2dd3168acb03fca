import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { slotOpenApi } from './document.js';

/** The checked-in description of a slot's API; the same path from src/ and from dist/. */
export const slotOpenApiFile = fileURLToPath(new URL('../../../../docs/slot-openapi.json', import.meta.url));

export const slotOpenApiText = () => `${JSON.stringify(slotOpenApi(), null, 2)}\n`;

/** `--check`: writes nothing and ends with 1 where the file is out of step. */
if (import.meta.main) {
  const inStep = slotOpenApiText() === (await readFile(slotOpenApiFile, 'utf8').catch(() => ''));
  if (process.argv.includes('--check')) {
    process.exitCode = inStep ? 0 : 1;
    console.log(inStep ? 'in step' : 'docs/slot-openapi.json is out of step: node agent/dist/runner/openapi/write.js');
  } else if (!inStep) await writeFile(slotOpenApiFile, slotOpenApiText());
}
