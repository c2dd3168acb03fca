import { readFileSync } from 'node:fs';
import {
  availableProviders,
  detect,
  hardwareClass,
  loadProfiles,
  readFacts,
  slotMemoryBytes,
  threadBudget,
  threadsFor,
  type Facts,
  type Profile,
} from '@flotilla/firmware-profiles';
import type { ExecutionProvider } from '@flotilla/protocol/device';
import { z } from 'zod';
import { shareThreads, type ThreadShares } from '../core/thread-budget.js';
import { DeviceEngines, gpuEngineOf, type ProbedEngine } from './engines.js';
import { StartError } from './start-error.js';

export interface Hardware {
  readonly profile: Profile;
  readonly facts: Facts;
  readonly hardwareClass: string;
  readonly providers: readonly ExecutionProvider[];
  readonly notes: readonly string[];
  readonly engines: DeviceEngines;
  readonly limits: { readonly maxComputeMs: number; readonly maxRssBytes: number; readonly minFreeBytes: number };
  /** By slot. */
  readonly threads: ThreadShares<string>;
}

export interface Versions {
  readonly agent: string;
  /** The runner's; the supervisor itself never loads it. */
  readonly onnxRuntime: string;
}

/** What a runner that loads must leave to everything else: below it the kernel begins to evict the programs that run. */
const leastFreeBytes = 48 * 2 ** 20;
const leastFreeShare = 0.02;

type AskedSlots = Readonly<Record<string, { readonly workers?: number | undefined }>>;

/** What this machine is, or is said to be by `override`, and what each of the slots may use of it. */
export function detectHardware(
  override: string | undefined,
  slots: AskedSlots,
  { onnxRuntime }: Versions,
  probed: readonly ProbedEngine[] = [],
): Hardware {
  const gpuEngine = gpuEngineOf(probed);
  const facts: Facts = { ...readFacts(), ...(gpuEngine && { gpuEngine }) };
  const { profile, notes } = override === undefined ? detect(facts, loadProfiles()) : chosen(override);
  const providers = availableProviders(profile, facts);
  return {
    profile,
    facts,
    hardwareClass: hardwareClass(profile, onnxRuntime, facts),
    providers,
    notes: [...notes, ...probed.map(({ note }) => note)],
    engines: new DeviceEngines(probed, providers),
    limits: {
      maxComputeMs: profile.maxComputeMs,
      // Room for one candidate beside all incumbents.
      maxRssBytes: Math.floor(slotMemoryBytes(profile, facts) / (Object.keys(slots).length + 1)),
      minFreeBytes: Math.max(leastFreeBytes, leastFreeShare * facts.totalMemoryBytes),
    },
    threads: threadsOf(profile, facts, slots),
  };
}

/** The profile's number of workers is for a slot that has the device for itself. */
function threadsOf(profile: Profile, facts: Facts, slots: AskedSlots): ThreadShares<string> {
  const alone = threadBudget(profile, facts);
  const names = Object.entries(slots);
  const usual = names.length === 1 ? alone.workers : 1;
  const asked = Object.fromEntries(names.map(([name, { workers = usual }]) => [name, workers]));
  const result = shareThreads(threadsFor(profile, facts), asked);
  if ('refused' in result) throw new StartError('config', result.refused);
  return result.shares;
}

function chosen(override: string): { profile: Profile; notes: string[] } {
  const profiles = loadProfiles();
  const profile = profiles.find(({ id }) => id === override);
  if (profile) return { profile, notes: [`The profile ${override} was set by configuration, not detected`] };
  const known = profiles.map(({ id }) => id).join(', ');
  throw new StartError('config', `profile: "${override}" is not known; known are ${known}.`);
}

const Package = z.object({ version: z.string(), dependencies: z.object({ 'onnxruntime-node': z.string() }) });

/** From the package's own description: its dependencies are pinned. The same path from src/ and from dist/. */
export function versions(): Versions {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version, dependencies } = Package.parse(JSON.parse(text));
  return { agent: version, onnxRuntime: dependencies['onnxruntime-node'] };
}
