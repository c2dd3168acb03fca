import { readFileSync } from 'node:fs';
import { z } from 'zod';

const Package = z.object({ version: z.string() });

/** By Triton's names. Of its model_repository there is the index; loads and unloads are refused, as Triton's own server may. */
const extensions = ['binary_tensor_data', 'model_configuration', 'model_repository', 'schedule_policy', 'statistics'];

/** What `GET /v2` answers; the version is the agent's. The same path from src/ and from dist/. */
export function serverMetadata() {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version } = Package.parse(JSON.parse(text));
  return { name: 'flotilla', version, extensions };
}
