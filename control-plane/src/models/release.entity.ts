import type { Digest, Manifest } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

/** Immutable once pushed. */
export interface ReleaseRow {
  digest: Digest;
  model: string;
  version: string;
  manifest: Manifest;
  pushedAt: Date;
}
export const ReleaseRow = new EntitySchema<ReleaseRow>({
  name: 'release',
  columns: {
    digest: { type: 'text', primary: true },
    model: { type: 'text' },
    version: { type: 'text' },
    manifest: { type: 'jsonb' },
    pushedAt: { type: 'timestamptz', name: 'pushed_at' },
  },
  uniques: [{ name: 'release_model_version', columns: ['model', 'version'] }],
});
