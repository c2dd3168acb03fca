import type { DeviceId, ReportedSlot, UpdateEvent } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { SlotReportRow } from './device.entity.js';
import { SlotCommits } from './slot-commits.js';

/** What slots say of themselves: the last word of each. */
@Injectable()
export class SlotReportsService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SlotCommits) private readonly commits: SlotCommits,
  ) {}

  /** In the order in which the device told them; of several about one slot the last one counts. */
  async record(tx: EntityManager, updates: readonly { device: DeviceId; event: UpdateEvent }[]): Promise<void> {
    const at = this.clock.now();
    const last = new Map(updates.map((update) => [`${update.device}/${update.event.slot}`, update]));
    await upsert(
      tx,
      [...last.values()].map(({ device, event }) => rowOf(device, event, at)),
    );
    await this.commits.record(tx, updates, at);
  }

  /**
   * A birth lists every slot there is: what it leaves out is gone. It knows no failure, so a known one of the same deployment stays.
   * True: a slot runs something else than was known.
   */
  async recordBirth(tx: EntityManager, device: DeviceId, slots: readonly ReportedSlot[]): Promise<boolean> {
    const at = this.clock.now();
    const before = new Map((await tx.findBy(SlotReportRow, { device })).map((row) => [row.slot, row]));
    const gone = [...before.keys()].filter((slot) => !slots.some((reported) => reported.slot === slot));
    for (const slot of gone) await tx.delete(SlotReportRow, { device, slot });
    await upsert(
      tx,
      slots.map((slot) => bornRow(device, slot, before.get(slot.slot), at)),
    );
    await this.commits.seen(tx, device, slots, at);
    return gone.length > 0 || slots.some(({ slot, digest }) => (before.get(slot)?.digest ?? null) !== (digest ?? null));
  }
}

const rowOf = (device: DeviceId, event: UpdateEvent, at: Date): SlotReportRow => ({
  device,
  slot: event.slot,
  deployment: event.deployment,
  // While an update is under way the slot serves what it committed last; a candidate serves from probation on.
  digest: serving(event),
  committed: event.committed ?? null,
  state: event.state,
  failure: event.failure ?? null,
  reason: event.reason ?? null,
  variant: event.variant ?? null,
  at,
});

const servesCandidate: ReadonlySet<UpdateEvent['state']> = new Set(['probation', 'committed', 'committed-unproven']);
const serving = ({ state, digest, committed }: UpdateEvent) => (servesCandidate.has(state) ? digest : (committed ?? null));

function bornRow(device: DeviceId, reported: ReportedSlot, before: SlotReportRow | undefined, at: Date): SlotReportRow {
  const same = before?.deployment === (reported.deployment ?? null) && before.state === reported.state ? before : undefined;
  return {
    device,
    slot: reported.slot,
    deployment: reported.deployment ?? null,
    digest: reported.digest ?? null,
    committed: reported.committed ?? null,
    state: reported.state,
    failure: same?.failure ?? null,
    reason: same?.reason ?? null,
    variant: same?.variant ?? null,
    at,
  };
}

async function upsert(tx: EntityManager, rows: readonly SlotReportRow[]): Promise<void> {
  if (rows.length === 0) return;
  // Always in the same order: two transactions that report the same slots never wait for each other in a circle.
  const ordered = rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const column = (value: (row: SlotReportRow) => unknown) => ordered.map(value);
  await tx.query(
    `INSERT INTO slot_report (device, slot, deployment, digest, committed, state, failure, reason, variant, at)
     SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
       $10::timestamptz[])
     ON CONFLICT (device, slot) DO UPDATE SET deployment = excluded.deployment, digest = excluded.digest, committed = excluded.committed,
       state = excluded.state, failure = excluded.failure, reason = excluded.reason, variant = excluded.variant, at = excluded.at`,
    [
      column((row) => row.device),
      column((row) => row.slot),
      column((row) => row.deployment),
      column((row) => row.digest),
      column((row) => row.committed),
      column((row) => row.state),
      column((row) => row.failure),
      column((row) => row.reason),
      column((row) => row.variant),
      column((row) => row.at),
    ],
  );
}

const keyOf = (row: SlotReportRow) => `${row.device}/${row.slot}`;
