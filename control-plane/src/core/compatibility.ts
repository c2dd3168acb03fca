import type { Manifest } from '@flotilla/protocol';

/** `satisfies(version, range)` of the semver package, handed in because core imports nothing. */
export type Satisfies = (version: string, range: string) => boolean;

/** Why a device could not run a release whatever its profile decides; undefined: nothing known speaks against it. */
export function incompatibility(manifest: Manifest, agent: string | null, satisfies: Satisfies): string | undefined {
  const range = manifest.requires.agent;
  if (range === undefined) return undefined;
  if (agent === null) return `its agent has never said its version; ${manifest.model}@${manifest.version} requires ${range}`;
  return satisfies(agent, range) ? undefined : `agent ${agent} does not satisfy ${range}`;
}
