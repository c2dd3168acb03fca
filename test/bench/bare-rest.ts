import { randomUUID } from 'node:crypto';
import { newCursor, type StreamCursor } from '@flotilla/control-plane/core/stream-cursor';
import { Streams } from '@flotilla/control-plane/link/streams';
import { JustStored } from '@flotilla/control-plane/telemetry/just-stored';
import { LevelSums, rollupTables } from '@flotilla/control-plane/telemetry/rollup-levels';
import { writeRollup } from '@flotilla/control-plane/telemetry/rollup.repository';
import { DeviceId, StreamId, type InferenceWindow } from '@flotilla/protocol';
import type { EntityManager } from 'typeorm';

export type Statement = { text: string; values: unknown[] };
type DeviceWindow = { device: string; record: InferenceWindow };

/** The statements that the control plane would send, in their own words and with their values, instead of being sent. */
async function written(work: (tx: EntityManager) => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const query = async (text: string, values: unknown[]) => void statements.push({ text, values });
  await work({ query } as unknown as EntityManager);
  return statements;
}

/** Rows of cursors, one stream a device; and what moves those of these devices on. */
export async function cursorsOf(
  devices: readonly string[],
): Promise<{ rows: Statement; move: (of: readonly string[]) => Promise<Statement[]> }> {
  const streams = new Map(devices.map((device) => [device, StreamId.parse(randomUUID().replaceAll('-', ''))]));
  const rows = {
    text: `INSERT INTO device_stream (stream, device, key_thumbprint) SELECT *, '' FROM unnest($1::text[], $2::text[])`,
    values: [[...streams.values()], [...streams.keys()]],
  };
  const cursor: StreamCursor = { ...newCursor, upTo: 1000, next: 1000 };
  const move = (of: readonly string[]) =>
    written((tx) => new Streams().save(tx, new Map(of.map((device) => [streams.get(device)!, cursor]))));
  return { rows, move };
}

/** Every row of the rollups that these windows would change. */
export function rollupsOf(windows: readonly DeviceWindow[]): Promise<Statement[]> {
  const kept = new JustStored({ isLeader: () => true });
  const at = { startedAt: new Date(), endedAt: new Date(), receivedAt: new Date(), uncertain: false };
  const stored = windows.map(({ device, record }) => ({ device: DeviceId.parse(device), window: record, at }));
  kept.keep({ first: 1, last: windows.length }, stored);
  const sums = new LevelSums();
  for (const run of kept.between(0, windows.length)) sums.add(run.sums.map((sum) => ({ ...sum, hardwareClass: '', site: '' })));
  const all = sums.finish();
  return written(async (tx) => {
    for (const table of rollupTables) await writeRollup[table](tx, all[table].entries());
  });
}
