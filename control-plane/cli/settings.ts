import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { FlotillaClient } from './flotilla-client.js';

export const version = '0.1.0';

/** The command line, or a file that it names, is at fault: one sentence, no stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Globals = { url?: string; token?: string; json?: boolean };
export const globalsOf = (command: Command): Globals => command.optsWithGlobals<Globals>();

/** Where a control plane started in this directory keeps its data. */
export const localDataFolder = () => process.env['FLOTILLA_DATA'] || '.flotilla';

/** `--url`/`--token`, else FLOTILLA_URL/FLOTILLA_TOKEN, else the data folder in this directory. */
export function clientFor(command: Command): FlotillaClient {
  const { url, token } = globalsOf(command);
  return new FlotillaClient(
    httpUrl(url ?? (process.env['FLOTILLA_URL'] || 'http://127.0.0.1:8080')),
    (token ?? (process.env['FLOTILLA_TOKEN'] || localToken())).trim(),
  );
}

/** For an option that counts something. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
}

/** `key=value` of a label; the value may be empty, and may hold "=". */
export function labelOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`a label is written key=value, not "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text.replace(/\/+$/, '');
  throw new UsageError(`"${text}" is no address of a control plane: write it like http://127.0.0.1:8080`);
}

function localToken(): string {
  const file = join(localDataFolder(), 'admin-token');
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UsageError(
      `no admin token: ${file} cannot be read (${code}); give --token or FLOTILLA_TOKEN, or run this beside the control plane's data folder`,
      { cause },
    );
  }
}
