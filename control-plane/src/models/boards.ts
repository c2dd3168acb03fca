import { loadProfiles } from '@flotilla/firmware-profiles';

let ids: ReadonlySet<string> | undefined;

/** Ids of the shipped profiles, which a variant's `profiles` can name. Read once. */
export function profileIds(): ReadonlySet<string> {
  ids ??= new Set(loadProfiles().map((profile) => profile.id));
  return ids;
}
