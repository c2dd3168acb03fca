import { z } from 'zod';
import { BootId, DeploymentId, Digest, HardwareClass, SlotName, StreamId } from './ids.js';
import { UpdateState } from './update.js';

/** Unknown fields are dropped, so that an old reader accepts a newer writer; a change that old readers cannot bear is a new `v`. */
const v = z.literal(1);
export const Seq = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const Session = z
  .int()
  .min(0)
  .max(2 ** 31 - 2);
/** Fits the database's integer, with room to rise. */
export const Epoch = z
  .int()
  .min(0)
  .max(2 ** 31 - 2);
const uptime = z.number().min(0).max(1e10);

export const ReportedSlot = z
  .object({
    slot: SlotName,
    deployment: DeploymentId.optional(),
    /** The digest that the slot serves now, by the runner's own word. */
    digest: Digest.optional(),
    /** Last committed digest: what a failed update returns to. */
    committed: Digest.optional(),
    state: UpdateState,
  })
  .meta({ id: 'ReportedSlot' });
export type ReportedSlot = z.infer<typeof ReportedSlot>;

/** `up/birth`: full reported state on every connect, repeated with backoff until `dn/welcome`. */
export const Birth = z
  .object({
    v,
    stream: StreamId,
    /** The last session that this device was welcomed to; 0 before the first. */
    session: Session,
    boot: BootId,
    uptime,
    /** The device's next sequence number. */
    next: Seq,
    /** Lowest sequence number still held; `next` when none is. */
    base: Seq,
    agent: z.string().max(64),
    profile: z.string().max(64),
    hardwareClass: HardwareClass,
    /** What detection has to say about this board ('CPU only until …'). */
    notes: z.array(z.string().max(500)).max(16).default([]),
    slots: z.array(ReportedSlot).max(64),
    epoch: Epoch,
    /** Digest of `{ slots, config }` of the desired state in force; absent before the first. */
    desiredHash: Digest.optional(),
  })
  .meta({ id: 'Birth' });
export type Birth = z.infer<typeof Birth>;

/** `up/heartbeat`: every 60 s ± jitter. */
export const Heartbeat = z
  .object({ v, stream: StreamId, session: Session, base: Seq, epoch: Epoch, desiredHash: Digest.optional(), uptime })
  .meta({ id: 'Heartbeat' });
export type Heartbeat = z.infer<typeof Heartbeat>;

/** `up/presence`: will and goodbye. A hint only, ignored unless (stream, session) are the latest birth's. */
export const Presence = z
  .object({ v, stream: StreamId, session: Session, online: z.boolean(), reason: z.enum(['will', 'goodbye']) })
  .meta({ id: 'Presence' });
export type Presence = z.infer<typeof Presence>;

/** Records as columns: `{ n, columns: { type: [...], start: [...] } }`; a value that a record lacks is null. */
export const Columns = z
  .object({ n: z.int().min(0).max(10_000), columns: z.record(z.string().max(64), z.array(z.unknown()).max(10_000)) })
  .refine((c) => Object.values(c.columns).every((values) => values.length === c.n), 'columns differ in length')
  .meta({ id: 'Columns' });
export type Columns = z.infer<typeof Columns>;

/** `up/telemetry`, `up/event`: record i has sequence number seq0 + i. Times are the device's uptime in seconds. */
export const Batch = z
  .object({ v, stream: StreamId, boot: BootId, uptime, base: Seq, seq0: Seq, records: Columns })
  .meta({ id: 'Batch' });
export type Batch = z.infer<typeof Batch>;

/** `dn/welcome`: nothing but birth is sent before it. */
export const Welcome = z
  .object({
    v,
    stream: StreamId,
    session: Session,
    epoch: Epoch,
    /** Milliseconds since 1970 by the server's clock. */
    serverTime: z.int().min(0),
    /** One above the highest sequence number seen of this stream. Above the device's own: the device starts a new stream. */
    next: Seq,
  })
  .meta({ id: 'Welcome' });
export type Welcome = z.infer<typeof Welcome>;

export const SeqRange = z.tuple([Seq, Seq]).refine(([from, to]) => from <= to, 'a range ends before it begins');
export type SeqRange = z.infer<typeof SeqRange>;

/** `dn/ack`: what is committed to the database. All below `upTo` is resolved; `ranges` (inclusive) lie above it. */
export const Ack = z
  .object({
    v,
    stream: StreamId,
    upTo: Seq,
    ranges: z.array(SeqRange).max(1000),
    /** Poison records: resolved too, kept in the server's dead-letter table. */
    refused: z.array(Seq).max(10_000),
  })
  .meta({ id: 'Ack' });
export type Ack = z.infer<typeof Ack>;
