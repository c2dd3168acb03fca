import type { ExecutionProvider, Manifest } from '@flotilla/protocol/device';
import { chooseEngine } from '../core/engine-choice.js';
import type { Hello } from '../engine-protocol/messages.js';
import { type EngineSpec, engineVariable } from '../runner-protocol.js';
import { messageOf } from '../errors.js';
import type { Log } from './runner-process.js';

/** As `agent.yaml` has it. `providers`: what it is used for; absent: all that it has but the CPU. */
export type EngineEntry = Readonly<{
  name: string;
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  providers?: readonly ExecutionProvider[] | undefined;
}>;
export type ProbedEngine = Readonly<{
  entry: EngineEntry;
  /** What it answered; absent where it did not. */
  hello?: Hello | undefined;
  /** In words for the operator. */
  note: string;
}>;

/** Loading CUDA's libraries from an SD card takes its time, and so does TensorRT's first model; the slots wait for it. */
const helloMs = 60_000;
const closeMs = 1000;

/** Starts each configured engine and asks what it has. Never throws: an engine that can't be used is a note. */
export function probeEngines(entries: readonly EngineEntry[], env: NodeJS.ProcessEnv, log: Log): Promise<ProbedEngine[]> {
  return Promise.all(entries.map((entry) => probe(entry, env, log)));
}

async function probe(entry: EngineEntry, env: NodeJS.ProcessEnv, log: Log): Promise<ProbedEngine> {
  // Loaded only where there is an engine to ask.
  const { EngineChild } = await import('../engine-protocol/engine-child.js');
  const child = new EngineChild({ ...entry, env: { ...env, ...entry.env } }, log);
  try {
    const hello = await child.hello(helloMs, true);
    const { runtime, providers } = hello;
    const has = providers.length > 0 ? providers.join(', ') : 'no provider that is known here';
    return { entry, hello, note: `Engine "${entry.name}" (${runtime.name} ${runtime.version}) has ${has}` };
  } catch (error) {
    return { entry, note: `Engine "${entry.name}" cannot be used: ${messageOf(error)}` };
  } finally {
    await child.close(closeMs);
  }
}

/** Of all engines together: what the device can do besides the CPU, for its profile and its hardware class. */
export function gpuEngineOf(probed: readonly ProbedEngine[]): { providers: ExecutionProvider[]; version: string } | undefined {
  const useful = probed.filter((engine) => gpuProviders(engine).length > 0);
  if (useful.length === 0) return undefined;
  const providers = [...new Set(useful.flatMap(gpuProviders))];
  return { providers, version: [...new Set(useful.map(({ hello }) => hello!.runtime.version))].join('+') };
}

const usedFor = ({ entry, hello }: ProbedEngine): ExecutionProvider[] | undefined =>
  hello?.providers.filter((provider) => entry.providers?.includes(provider) ?? provider !== 'cpu');
const gpuProviders = (engine: ProbedEngine) => (usedFor(engine) ?? []).filter((provider) => provider !== 'cpu');

type Variant = Pick<Manifest['variants'][number], 'providers' | 'files'>;
export type RunnerEngine = { engine?: EngineSpec; providers: readonly ExecutionProvider[] };

/** Who computes a variant on this device. */
export class DeviceEngines {
  readonly #probed: readonly ProbedEngine[];
  readonly #providers: readonly ExecutionProvider[];

  /** `providers`: the device's, best first. */
  constructor(probed: readonly ProbedEngine[], providers: readonly ExecutionProvider[]) {
    this.#probed = probed;
    this.#providers = providers;
  }

  for(variant: Variant): RunnerEngine {
    // An engine outside holds one network; those of a graph lie together in the one inside.
    const able = variant.files ? [] : this.#probed;
    const offered = able.map((engine) => ({ name: engine.entry.name, providers: usedFor(engine) }));
    const { engine: name, providers } = chooseEngine(variant.providers, this.#providers, offered);
    const entry = this.#probed.find(({ entry: { name: its } }) => its === name)?.entry;
    if (!entry) return { providers };
    return { engine: { name: entry.name, command: [...entry.command], env: { ...entry.env } }, providers };
  }
}

/** What a runner finds in its environment, so that it loads this engine and no other. */
export const engineEnvironment = (engine: EngineSpec | undefined): NodeJS.ProcessEnv =>
  engine ? { [engineVariable]: JSON.stringify(engine) } : {};
