import type { BaselineCounts } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';
import { int8 } from '../platform/number-column.js';

/** What windows of one device that ended in one hour or day (UTC) counted by class, score and bin of the release's baseline. */
export interface ContentRollupRow {
  bucket: Date;
  device: string;
  slot: string;
  digest: string;
  variant: string;
  /** At most `mostClassesKept`; what is in none of them, and what may be missing there, in `otherClasses`. */
  classes: Record<string, number>;
  otherClasses: number;
  scores: string[] | number[];
  baseline: BaselineCounts | null;
}

const rollup = (name: string) =>
  new EntitySchema<ContentRollupRow>({
    name,
    columns: {
      bucket: { type: 'timestamptz', primary: true },
      device: { type: 'text', primary: true },
      slot: { type: 'text', primary: true },
      digest: { type: 'text', primary: true },
      variant: { type: 'text', primary: true },
      classes: { type: 'jsonb' },
      otherClasses: { type: 'int8', name: 'other_classes', transformer: int8 },
      scores: { type: 'int8', array: true },
      baseline: { type: 'jsonb', nullable: true },
    },
    indices: [{ name: `${name}_of`, columns: ['device', 'bucket'] }],
  });

export const ContentHourRow = rollup('rollup_content_hour');
export const ContentDayRow = rollup('rollup_content_day');
