import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import { int8 } from '../platform/number-column.js';
import { vitalsSums } from './vitals-sums.js';

/** What one device's vitals that ended in one hour or day (UTC) say together: the columns of `vitalsSums`. */
export interface VitalsRollupRow {
  bucket: Date;
  device: string;
}

const columnOf = ({ column, type, how }: (typeof vitalsSums)[number]): [string, EntitySchemaColumnOptions] => [
  column,
  { type, name: column, nullable: how !== 'sum', ...(type === 'int8' && { transformer: int8 }) },
];

const rollup = (name: string) =>
  new EntitySchema<VitalsRollupRow>({
    name,
    columns: {
      bucket: { type: 'timestamptz', primary: true },
      device: { type: 'text', primary: true },
      ...Object.fromEntries(vitalsSums.map(columnOf)),
    },
    indices: [{ name: `${name}_of`, columns: ['device', 'bucket'] }],
  });

export const VitalsHourRow = rollup('rollup_vitals_hour');
export const VitalsDayRow = rollup('rollup_vitals_day');
