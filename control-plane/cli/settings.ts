import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ApiClient } from './client.js';

/** The command line itself is at fault: one sentence, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export type Globals = { url?: string; token?: string; json?: boolean };
export const globalsOf = (command: Command): Globals => command.optsWithGlobals<Globals>();

/** `--url`/`--token`, else FLOTILLA_URL/FLOTILLA_TOKEN, else the data folder in this directory. */
export function clientFor(command: Command): ApiClient {
  const { url, token } = globalsOf(command);
  return new ApiClient(
    (url ?? process.env['FLOTILLA_URL'] ?? 'http://127.0.0.1:8080').replace(/\/+$/, ''),
    token ?? process.env['FLOTILLA_TOKEN'] ?? localToken(),
  );
}

function localToken(): string {
  const file = join(process.env['FLOTILLA_DATA'] ?? '.flotilla', 'admin-token');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UsageError(
      `no admin token: ${file} cannot be read (${code}); give --token or FLOTILLA_TOKEN, or run this beside the control plane's data folder`,
      { cause },
    );
  }
}
