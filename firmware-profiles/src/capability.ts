import type { ExecutionProvider } from '@flotilla/protocol/device';
import type { Facts } from './facts.js';
import type { Profile } from './profile.js';

/** Pure: the execution providers that can be used now, best first. Those of a GPU engine only once it was probed. */
export function availableProviders(profile: Profile, facts: Pick<Facts, 'gpuEngine'>): ExecutionProvider[] {
  return profile.providers
    .filter((provider) => !provider.needs || facts.gpuEngine?.providers.includes(provider.name))
    .map((provider) => provider.name);
}

/**
 * Pure: does this device satisfy a variant's selector? No selector fits all. Any entry may fit; within one, `+` joins
 * terms that must all hold: a profile id, an architecture, or a CPU feature (`x64+avx512_vnni`).
 * `generic-arm64` is the profile of that name, not every arm64 board; that is `arm64`.
 */
export function matches(
  profile: Profile,
  requirement: readonly string[] | undefined,
  facts: Pick<Facts, 'features'> = { features: [] },
): boolean {
  const holds = (term: string) =>
    [profile.id, profile.arch].includes(term) || profile.features.includes(term) || facts.features.includes(term);
  return requirement === undefined || requirement.some((entry) => entry.split('+').every(holds));
}

/** Pure: threads for the inference of all slots together: cores − spare cores, one always. */
export function threadsFor({ threads }: Profile, facts: Pick<Facts, 'cpus'>): number {
  return Math.max(1, Math.min(facts.cpus - threads.spareCores, threads.max ?? Infinity));
}

/** Pure: how one slot may compute when it is alone. workers × intraOpThreads is at most what all slots may use. */
export function threadBudget(profile: Profile, facts: Pick<Facts, 'cpus'>): { workers: number; intraOpThreads: number } {
  const total = threadsFor(profile, facts);
  const workers = Math.min(profile.threads.workers, total);
  return { workers, intraOpThreads: Math.floor(total / workers) };
}

/** Pure: bytes that all slots together may use, a swap's second model included. */
export function slotMemoryBytes({ memory }: Profile, facts: Pick<Facts, 'totalMemoryBytes'>): number {
  return Math.floor(facts.totalMemoryBytes * memory.slotShare);
}

/** Features that change which kernels onnxruntime picks. On x64 the first group with a hit says it all. */
const kernelFeatures: Record<Profile['arch'], readonly (readonly string[])[]> = {
  arm64: [['asimddp', 'asimdhp', 'i8mm', 'sve', 'sme']],
  x64: [['amx_int8', 'avx512_vnni', 'avx_vnni'], ['avx512f'], ['avx2']],
};

/**
 * Pure: what a measurement is valid for, as `profile/ort-version/features`, e.g. `generic-x64-vnni/ort-1.30.0/avx512_vnni`.
 * A platform other than Linux and a probed GPU engine's providers and version are further parts: each changes what is fastest.
 * Always fits `[A-Za-z0-9_.+/-]{1,128}`.
 */
export function hardwareClass(
  profile: Profile,
  ortVersion: string,
  facts: Pick<Facts, 'features' | 'platform' | 'gpuEngine'>,
): string {
  const present = kernelFeatures[profile.arch].map((group) => group.filter((feature) => facts.features.includes(feature)));
  const gpu = availableProviders(profile, facts).filter((provider) => provider !== 'cpu');
  const parts = [
    profile.id,
    `ort-${token(ortVersion, 24)}`,
    facts.platform === 'linux' ? '' : token(facts.platform, 8),
    (present.find((group) => group.length > 0) ?? []).join('+'),
    gpu.length > 0
      ? [gpu.toSorted().join('+'), facts.gpuEngine?.version && token(facts.gpuEngine.version, 6)].filter(Boolean).join('-')
      : '',
  ];
  return parts.filter(Boolean).join('/');
}

/** The lengths keep the whole below 128. */
function token(text: string, length: number): string {
  return text.replace(/[^A-Za-z0-9_.+-]/g, '_').slice(0, length);
}
