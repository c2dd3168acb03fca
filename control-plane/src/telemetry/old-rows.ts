import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { partitioned, Partitions } from './partitions.js';

/** Small enough that a chunk holds no lock for long. */
const chunk = 5000;
const rollups = {
  minute: ['rollup_fleet_minute'],
  hour: ['rollup_fleet_hour', 'rollup_device_hour', 'rollup_vitals_hour', 'rollup_content_hour'],
  day: ['rollup_fleet_day', 'rollup_device_day', 'rollup_vitals_day', 'rollup_content_day'],
} as const;

/** What has been kept for long enough: days as whole partitions, the rest in chunks. */
@Injectable()
export class OldRows {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(Partitions) private readonly partitions: Partitions,
  ) {}

  dropPartitions(before: Date): Promise<string[]> {
    return this.partitions.dropBefore(before);
  }

  /** Of partitions that hold many days, and of dead letters. */
  async deleteRecords(before: Date): Promise<Record<string, number>> {
    const rows: Record<string, number> = {};
    for (const table of partitioned) {
      rows[table] = 0;
      for (const partition of await this.partitions.manyDays(table)) {
        rows[table] += await this.deleteOlder(partition, 'received_at', before);
      }
    }
    return { ...rows, dead_letter: await this.deleteOlder('dead_letter', 'at', before) };
  }

  async deleteRollups(span: keyof typeof rollups, before: Date): Promise<Record<string, number>> {
    const rows: Record<string, number> = {};
    for (const table of rollups[span]) rows[table] = await this.deleteOlder(table, 'bucket', before);
    return rows;
  }

  private async deleteOlder(table: string, time: string, before: Date): Promise<number> {
    let all = 0;
    let last = chunk;
    while (last === chunk) {
      [, last] = await this.db.query<[unknown, number]>(
        `DELETE FROM "${table}" WHERE ctid = ANY(ARRAY(SELECT ctid FROM "${table}" WHERE ${time} < $1 ORDER BY ${time} LIMIT $2))`,
        [before, chunk],
      );
      all += last;
    }
    return all;
  }
}
