import type { Manifest } from '@flotilla/protocol';

/** `satisfies(version, range)` of the semver package, handed in because core imports nothing. */
type Satisfies = (version: string, range: string) => boolean;
/** `agent`: its version, as it said at its last birth. `runs`: what the slot has committed, model@version. */
type Standing = Readonly<{ agent: string | null; runs: string | undefined }>;

/** Why a device could not run a release whatever its profile decides; undefined: nothing known speaks against it. */
export const incompatibility = (manifest: Manifest, standing: Standing, satisfies: Satisfies): string | undefined =>
  agentComplaint(manifest, standing, satisfies) ?? stepComplaint(manifest, standing, satisfies);

function agentComplaint({ model, version, requires }: Manifest, { agent }: Standing, satisfies: Satisfies): string | undefined {
  const range = requires.agent;
  if (range === undefined) return undefined;
  if (agent === null) return `its agent has never said its version; ${model}@${version} requires ${range}`;
  return satisfies(agent, range) ? undefined : `agent ${agent} does not satisfy ${range}`;
}

/** A release may have to be passed through. An empty slot, or another model, has nothing to be brought along. */
function stepComplaint({ model, version, requires }: Manifest, { runs }: Standing, satisfies: Satisfies): string | undefined {
  const [before, its] = runs?.split('@') ?? [];
  if (requires.from === undefined || before !== model || its === version || satisfies(its!, requires.from)) return undefined;
  return `it runs ${runs}, and ${model}@${version} is reached from ${requires.from} only: roll one of these out first`;
}
