import { readFileSync } from 'node:fs';
import { describeIssues } from '@flotilla/protocol';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { ControlPlaneConfig, environmentNames } from './config.js';

/** Everything wrong with the settings, a line each. The program exits with 78: starting it again will not help. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names the settings file; `flotilla.yaml` of the working directory is read where it is absent, if there is one. */
const fileVariable = 'FLOTILLA_CONFIG';
const defaultFile = 'flotilla.yaml';

/** `flotilla.yaml` and the environment, which wins; frozen. */
export function loadConfig(env: Environment): ControlPlaneConfig {
  const file = env[fileVariable] || defaultFile;
  const settings = readSettings(file, env[fileVariable] !== undefined);
  const variables = applyEnvironment(settings, env);
  const parsed = ControlPlaneConfig.safeParse(settings);
  if (!parsed.success) throw new ConfigError(explain(file, variables, parsed.error));
  return deepFreeze(parsed.data);
}

type Settings = Record<string, unknown>;

function readSettings(file: string, mustExist: boolean): Settings {
  const text = readText(file, mustExist);
  if (text === null) return {};
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0)
    throw new ConfigError(document.errors.map(({ message }) => `${file}: ${firstLine(message)}`).join('\n'));
  const settings: unknown = document.toJS() ?? {};
  if (typeof settings !== 'object' || Array.isArray(settings))
    throw new ConfigError(`${file}: must hold settings, such as "http:"`);
  return settings as Settings;
}

function readText(file: string, mustExist: boolean): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !mustExist) return null;
    throw new ConfigError(`${file}: can't be read (${code === 'ENOENT' ? 'there is no such file' : message})`, { cause: error });
  }
}

const firstLine = (text: string) => text.split('\n')[0]!.replace(/:$/, '');

/** Puts each variable where its setting is; answers which setting came from which. */
function applyEnvironment(settings: Settings, env: Environment): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [variable, setting] of Object.entries(environmentNames)) {
    const value = env[variable];
    if (value === undefined || value === '') continue;
    place(settings, setting.split('.'), value);
    variables.set(setting, variable);
  }
  return variables;
}

function place(settings: Settings, [head, ...tail]: string[], value: string): void {
  if (tail.length === 0) settings[head!] = value;
  else {
    const inner = settings[head!];
    // What is no object there is replaced only where nothing was said: else the file's mistake would go unnoticed.
    if (inner === undefined || inner === null) settings[head!] = {};
    if (typeof settings[head!] === 'object') place(settings[head!] as Settings, tail, value);
  }
}

/** What the environment said is named by its variable, the rest by the file. */
function explain(file: string, variables: ReadonlyMap<string, string>, error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const source = variables.get(issue.path.map(String).join('.')) ?? file;
      return describeIssues(source, ControlPlaneConfig, new z.ZodError([issue]));
    })
    .join('\n');
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
