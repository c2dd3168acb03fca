import type { ConfigurationReport, ConfigurationScope, DeviceId, WrittenPipeline } from '@flotilla/protocol';
import { EntitySchema } from 'typeorm';

type Slots = Record<string, WrittenPipeline>;

/** What is in force for a group or a device; as written. */
export interface ConfigurationRow {
  scope: ConfigurationScope;
  name: string;
  version: number;
  priority: number;
  slots: Slots;
}
export const ConfigurationRow = new EntitySchema<ConfigurationRow>({
  name: 'configuration',
  columns: {
    scope: { type: 'text', primary: true },
    name: { type: 'text', primary: true },
    version: { type: 'int' },
    priority: { type: 'int' },
    // Not jsonb: people get their keys back in the order in which they wrote them.
    slots: { type: 'json' },
  },
});

/** Every version that ever was, by whom and why; `slots` is null where it was deleted. Append-only. */
export interface ConfigurationVersionRow {
  scope: ConfigurationScope;
  name: string;
  version: number;
  priority: number;
  slots: Slots | null;
  comment: string | null;
  actor: string;
  at: Date;
}
export const ConfigurationVersionRow = new EntitySchema<ConfigurationVersionRow>({
  name: 'configuration_version',
  columns: {
    scope: { type: 'text', primary: true },
    name: { type: 'text', primary: true },
    version: { type: 'int', primary: true },
    priority: { type: 'int' },
    slots: { type: 'json', nullable: true },
    comment: { type: 'text', nullable: true },
    actor: { type: 'text' },
    at: { type: 'timestamptz' },
  },
});

/** What a device last said that it makes of its configuration. */
export interface ConfigurationReportRow extends Pick<ConfigurationReport, 'epoch' | 'slots' | 'refused'> {
  device: DeviceId;
  digest: string | null;
  at: Date;
}
export const ConfigurationReportRow = new EntitySchema<ConfigurationReportRow>({
  name: 'configuration_report',
  columns: {
    device: { type: 'text', primary: true },
    epoch: { type: 'int' },
    digest: { type: 'text', nullable: true },
    slots: { type: 'jsonb' },
    refused: { type: 'jsonb' },
    at: { type: 'timestamptz' },
  },
});
