import { readFileSync } from 'node:fs';
import { z } from 'zod';

const Package = z.object({ version: z.string() });

/** What `GET /v2` answers; the version is the agent's. The same path from src/ and from dist/. */
export function serverMetadata() {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version } = Package.parse(JSON.parse(text));
  return { name: 'flotilla', version, extensions: ['binary_tensor_data'] };
}
