import { availableProviders } from './capability.js';
import type { Facts } from './facts.js';
import { ProfileError } from './load.js';
import type { Profile } from './profile.js';

/** Which profile fits a machine, and what the operator should know of it. */
export interface Detection {
  profile: Profile;
  /** `exact`: the board is known; `generic`: only its architecture is. */
  matched: 'exact' | 'generic';
  notes: string[];
}

/**
 * Pure: the profile of a machine. An unknown board gets the generic profile of its architecture and a note.
 * @throws {ProfileError} PROFILE_MISSING when no profile is for this architecture.
 */
export function detect(facts: Facts, profiles: readonly Profile[]): Detection {
  const candidates = profiles.filter((profile) => profile.arch === facts.arch);
  const board =
    candidates.find((profile) => fitsCompatible(profile, facts)) ?? candidates.find((profile) => fitsModel(profile, facts));
  const profile = board ?? genericFor(candidates, facts);
  if (!profile) throw new ProfileError('PROFILE_MISSING', noProfile(facts, profiles));
  return { profile, matched: board ? 'exact' : 'generic', notes: [...facts.notes, ...notesOn(profile, facts)] };
}

function fitsCompatible({ detect: rule }: Profile, facts: Facts): boolean {
  return facts.compatible.some((text) => rule.compatible?.some((pattern) => fits(pattern, text)));
}

function fitsModel({ detect: rule }: Profile, { boardModel }: Facts): boolean {
  return boardModel !== undefined && Boolean(rule.model?.some((pattern) => fits(pattern, boardModel)));
}

/** `*` stands for any run of characters. */
function fits(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`).test(text);
}

/** The one that asks for a feature of this CPU goes before the one that asks for nothing. */
function genericFor(candidates: readonly Profile[], facts: Facts): Profile | undefined {
  const generic = candidates.filter((profile) => profile.kind === 'generic');
  return (
    generic.find((profile) => profile.detect.anyFeature?.some((feature) => facts.features.includes(feature))) ??
    generic.find((profile) => !profile.detect.anyFeature)
  );
}

function noProfile(facts: Facts, profiles: readonly Profile[]): string {
  const known = [...new Set(profiles.map((profile) => profile.arch))].join(', ');
  const hint = facts.arch === 'arm' ? ' Install the 64-bit system: onnxruntime-node has no 32-bit build.' : '';
  return `No profile is for architecture ${facts.arch}; known are ${known}.${hint}`;
}

function notesOn(profile: Profile, facts: Facts): string[] {
  return [...boardNotes(profile, facts), ...gpuNotes(profile, facts), ...memoryNotes(profile, facts)];
}

function boardNotes(profile: Profile, facts: Facts): string[] {
  const notes: string[] = [];
  if (profile.kind === 'generic') {
    const board = facts.boardModel ? `board "${facts.boardModel}"` : 'this machine (it names no board)';
    notes.push(`No board profile fits ${board}: ${profile.id} is used`);
    if (facts.l4t) notes.push(`A Jetson (Jetson Linux ${facts.l4t}) without a profile of its own: CPU only`);
  }
  if (facts.platform !== 'linux')
    notes.push(`Profiles are written for Linux; on ${facts.platform} temperature and power are not read`);
  return notes;
}

function gpuNotes(profile: Profile, facts: Facts): string[] {
  const offered = availableProviders(profile, facts);
  const waiting = profile.providers.map(({ name }) => name).filter((name) => !offered.includes(name));
  const unused = facts.gpuEngine?.providers.filter((name) => !profile.providers.some((provider) => provider.name === name)) ?? [];
  const notes: string[] = [];
  if (waiting.length > 0 && !facts.gpuEngine)
    notes.push(`CPU only: ${waiting.join(' and ')} need a GPU engine, and none has been probed`);
  if (waiting.length > 0 && facts.gpuEngine) notes.push(`The GPU engine has no ${waiting.join(' and no ')}`);
  if (unused.length > 0) notes.push(`The GPU engine's ${unused.join(', ')} is not used: ${profile.id} does not list it`);
  return notes;
}

/** Firmware and GPU keep some memory, so a quarter less than the smallest board is still that board. */
function memoryNotes({ id, memory }: Profile, facts: Facts): string[] {
  const leastMb = Math.min(...(memory.totalMb ?? [0]));
  const mb = Math.round(facts.totalMemoryBytes / 2 ** 20);
  return mb < leastMb * 0.75 ? [`${mb} MB of memory; ${id} has at least ${leastMb} MB (a container's limit?)`] : [];
}
