import type { DeviceId, ReportedSlot, SlotName, UpdateEvent } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

type Update = { device: DeviceId; event: UpdateEvent };
type Commit = { device: DeviceId; slot: SlotName; digest: string };

/** Which releases each slot has committed: where a kill can lead back to. */
@Injectable()
export class SlotCommits {
  /** A commit is the newest word about its release; one that was given up later is no last good any more. */
  async record(tx: EntityManager, updates: readonly Update[], at: Date): Promise<void> {
    const last = new Map(updates.map((update) => [keyOf(update), update]));
    const [committed, lost]: [Commit[], Commit[]] = [[], []];
    for (const { device, event } of last.values()) {
      const { slot, digest, state } = event;
      if (state === 'committed' || state === 'committed-unproven') committed.push({ device, slot, digest });
      else if (state === 'rolled-back' && event.committed !== digest) lost.push({ device, slot, digest });
    }
    await upsert(tx, committed, at, 'DO UPDATE SET at = excluded.at');
    await this.forget(tx, lost, null);
  }

  /** A birth says what was committed, not when: what is known stays as it is. */
  seen(tx: EntityManager, device: DeviceId, slots: readonly ReportedSlot[], at: Date): Promise<void> {
    const commits = slots.flatMap(({ slot, committed: digest }) => (digest === undefined ? [] : [{ device, slot, digest }]));
    return upsert(tx, commits, at, 'DO NOTHING');
  }

  /** What was taken back from a device has not proven good there; since when it was tried decides, what it was before stays. */
  async forget(tx: EntityManager, commits: readonly Commit[], since: Date | null): Promise<void> {
    if (commits.length === 0) return;
    await tx.query(
      `UPDATE slot_commit c SET at = c.first_at FROM unnest($1::text[], $2::text[], $3::text[]) gone(device, slot, digest)
       WHERE c.device = gone.device AND c.slot = gone.slot AND c.digest = gone.digest AND c.first_at < $4`,
      [...columns(commits), since],
    );
    await tx.query(
      `DELETE FROM slot_commit c USING unnest($1::text[], $2::text[], $3::text[]) gone(device, slot, digest)
       WHERE c.device = gone.device AND c.slot = gone.slot AND c.digest = gone.digest
         AND c.first_at >= coalesce($4::timestamptz, c.first_at)`,
      [...columns(commits), since],
    );
  }
}

async function upsert(tx: EntityManager, commits: readonly Commit[], at: Date, onConflict: string): Promise<void> {
  if (commits.length === 0) return;
  const ordered = commits.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  await tx.query(
    `INSERT INTO slot_commit (device, slot, digest, first_at, at)
     SELECT *, $4::timestamptz, $4::timestamptz FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT (device, slot, digest) ${onConflict}`,
    [...columns(ordered), at],
  );
}

const keyOf = ({ device, event }: Update) => `${device}/${event.slot}/${event.digest}`;
/** Always in the same order: two transactions never wait for each other in a circle. */
const sortKey = ({ device, slot, digest }: Commit) => `${device}/${slot}/${digest}`;
const columns = (commits: readonly Commit[]) => [
  commits.map((c) => c.device),
  commits.map((c) => c.slot),
  commits.map((c) => c.digest),
];
