import { randomUUID } from 'node:crypto';
import { Ack, BootId, decodePayload, DeviceId, StreamId, TenantId } from '@flotilla/protocol';
import { pino } from 'pino';
import { QueryFailedError } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { Counters } from '../platform/counters.js';
import type { ReceivedBatch } from './batch.js';
import { Ingest, type IngestLimits } from './ingest.js';
import type { Stored } from './record-store.js';

const limits: IngestLimits = {
  delayMs: 5,
  jsonBytes: 100,
  records: 10,
  bytes: 400,
  backlogBytes: 100,
  retryMs: { first: 1, most: 2 },
};
const sqlError = (code: string) => new QueryFailedError('INSERT', [], Object.assign(new Error(`SQLSTATE ${code}`), { code }));

function aBatch(device: string, seq0: number, n: number): ReceivedBatch {
  const boot = BootId.parse(randomUUID());
  const record = { type: 'alarm', boot, uptime: 1, name: 'test', message: device } as const;
  return {
    sender: { tenant: TenantId.parse('default'), device: DeviceId.parse(device) },
    stream: StreamId.parse(Buffer.from(device.padEnd(16).slice(0, 16)).toString('hex')),
    boot,
    uptime: 1,
    base: 0,
    seq0,
    records: Array.from({ length: n }, () => ({ record })),
    receivedAt: new Date(),
  };
}

/** A store in memory, which fails as it is told to. */
class Shelf {
  readonly transactions: ReceivedBatch[][] = [];
  fail: (batches: readonly ReceivedBatch[]) => Error | undefined = () => undefined;
  open = Promise.resolve();
  readonly asked = Promise.withResolvers<void>();

  async store(batches: readonly ReceivedBatch[]): Promise<Stored> {
    this.asked.resolve();
    await this.open;
    const error = this.fail(batches);
    if (error) throw error;
    this.transactions.push([...batches]);
    const acks = batches.map(({ sender, stream, seq0, records }) => {
      const refused = records.flatMap((record, i) => ('refused' in record ? [seq0 + i] : []));
      return { sender, ack: { v: 1 as const, stream, upTo: seq0 + records.length, ranges: [], refused } };
    });
    return { acks, fresh: batches.length, refused: 0, foreign: [], unknown: [] };
  }
}

let ingest: Ingest;
let shelf: Shelf;
let acks: { topic: string; ack: Ack }[];
let acknowledged: PromiseWithResolvers<void>;
const counters = new Counters();

function start(publish: (topic: string, payload: Buffer) => Promise<void> = keepAck) {
  shelf = new Shelf();
  acks = [];
  acknowledged = Promise.withResolvers();
  const log = pino({ level: 'silent' });
  ingest = new Ingest({ store: shelf, alarms: { raise: () => Promise.resolve() }, publish, counters, log }, limits);
  ingest.start();
}
async function keepAck(topic: string, payload: Buffer): Promise<void> {
  acks.push({ topic, ack: Ack.parse(decodePayload(payload)) });
  acknowledged.resolve();
}
const add = (batch: ReceivedBatch, bytes = 10) => ingest.add({ bytes, jsonBytes: 10 * batch.records.length, read: () => batch });
/** Measured long before it was sent. */
const addBacklog = (batch: ReceivedBatch, bytes = 10) => add({ ...batch, uptime: 10_000 }, bytes);
afterEach(() => ingest.stop());

describe('ingest', () => {
  it('puts what comes close together into one transaction, and acknowledges each stream once', async () => {
    start();
    await Promise.all([add(aBatch('a', 0, 2)), add(aBatch('a', 2, 2)), add(aBatch('b', 0, 1))]);
    await ingest.stop();
    expect(shelf.transactions).toHaveLength(1);
    expect(acks.map(({ topic, ack }) => [topic, ack.upTo])).toEqual([
      ['fl/v1/default/a/dn/ack', 4],
      ['fl/v1/default/b/dn/ack', 1],
    ]);
  });

  it('cuts a transaction at its number of records', async () => {
    start();
    for (let i = 0; i < 4; i++) await add(aBatch('a', 6 * i, 6));
    await ingest.stop();
    expect(shelf.transactions.map((t) => t.length)).toEqual([2, 2]);
  });

  it('asks for no more while its buffer is full, and goes on when the database does', async () => {
    start();
    const gate = Promise.withResolvers<void>();
    shelf.open = gate.promise;
    await add(aBatch('a', 0, 1));
    await shelf.asked.promise;
    let admitted = false;
    const full = add(aBatch('a', 1, 1), 401).then(() => (admitted = true));
    await new Promise(setImmediate);
    expect(admitted).toBe(false);
    gate.resolve();
    await full;
  });

  it('stores what is live before backlog that came first, and some backlog with each transaction', async () => {
    start();
    const gate = Promise.withResolvers<void>();
    shelf.open = gate.promise;
    await add(aBatch('first', 0, 10));
    await shelf.asked.promise;
    for (const seq0 of [0, 10]) await addBacklog(aBatch('away', seq0, 10));
    for (const seq0 of [0, 10]) await add(aBatch('live', seq0, 10));
    gate.resolve();
    await ingest.stop();
    const named = shelf.transactions.map((batches) => batches.map(({ sender, seq0 }) => `${sender.device} ${seq0}`));
    expect(named).toEqual([['first 0'], ['live 0', 'away 0'], ['live 10', 'away 10']]);
  });

  it('stores what is live without having read all of the backlog that came with it', async () => {
    start();
    const read = new Set<number>();
    const slowly = (seq0: number) => () => {
      read.add(seq0);
      for (const until = performance.now() + 30; performance.now() < until;);
      return { ...aBatch('away', seq0, 1), uptime: 10_000 };
    };
    const live = add(aBatch('live', 0, 1));
    const away = Array.from({ length: 8 }, (_, i) => ingest.add({ bytes: 10, jsonBytes: 10, read: slowly(i) }));
    await Promise.all([live, ...away]);
    await shelf.asked.promise;
    expect(read.size).toBeLessThan(8);
    await ingest.stop();
    expect(shelf.transactions[0]!.map(({ sender }) => sender.device)).toContain('live');
    expect(shelf.transactions.flat()).toHaveLength(9);
  });

  it('puts off backlog that it has no room for, takes what is sent again once, and goes on with what is live', async () => {
    start();
    const gate = Promise.withResolvers<void>();
    shelf.open = gate.promise;
    await add(aBatch('first', 0, 10));
    await shelf.asked.promise;
    await addBacklog(aBatch('away', 0, 10), 60);
    await addBacklog(aBatch('away', 0, 10), 30);
    await addBacklog(aBatch('away', 10, 10), 60);
    await add(aBatch('live', 0, 1));
    gate.resolve();
    await ingest.stop();
    expect(counters.snapshot()['ingest.put-off']).toBe(1);
    expect(shelf.transactions.flat().map(({ sender, seq0 }) => `${sender.device} ${seq0}`)).toEqual([
      'first 0',
      'live 0',
      'away 0',
    ]);
  });

  it('tries again while the database is away, and acknowledges nothing meanwhile', async () => {
    start();
    let failures = 3;
    shelf.fail = () => (failures-- > 0 ? sqlError('57P03') : undefined);
    await add(aBatch('a', 0, 1));
    await acknowledged.promise;
    expect(failures).toBe(-1);
    expect(acks).toHaveLength(1);
  });

  it('finds the one record that the database refuses, and stores all others', async () => {
    start();
    const isPoison = (batch: ReceivedBatch) => {
      const bad = batch.records[7 - batch.seq0];
      return batch.sender.device === 'bad' && bad !== undefined && 'record' in bad;
    };
    shelf.fail = (batches) => (batches.some(isPoison) ? sqlError('22021') : undefined);
    await Promise.all([add(aBatch('good', 0, 3)), add(aBatch('bad', 5, 5))]);
    await ingest.stop();
    const records = shelf.transactions
      .flat()
      .flatMap((b) => b.records.map((r, i) => [b.sender.device, b.seq0 + i, 'refused' in r]));
    expect(records).toHaveLength(8);
    expect(records.filter(([, , refused]) => refused)).toEqual([['bad', 7, true]]);
    expect(acks.find(({ topic }) => topic.includes('/bad/'))?.ack).toMatchObject({ upTo: 10, refused: [7] });
  });

  it('leaves unacknowledged what a fault of ours keeps from being stored, and stores the rest', async () => {
    start();
    shelf.fail = (batches) =>
      batches.some((b) => b.sender.device === 'cursed') ? new TypeError('undefined is no function') : undefined;
    await Promise.all([add(aBatch('cursed', 0, 2)), add(aBatch('blessed', 0, 2))]);
    await ingest.stop();
    expect(acks.map(({ topic }) => topic)).toEqual(['fl/v1/default/blessed/dn/ack']);
    expect(counters.snapshot()['ingest.not-stored']).toBe(2);
  });

  it('lives on when an acknowledgement cannot be sent', async () => {
    start(() => Promise.reject(new Error('not connected')));
    await add(aBatch('a', 0, 1));
    await ingest.stop();
    expect(counters.snapshot()['ingest.acks-failed']).toBe(1);
  });

  it('gives up what the database does not take when it is stopped', async () => {
    start();
    shelf.fail = () => sqlError('57P03');
    await add(aBatch('a', 0, 1));
    await ingest.stop();
    expect(acks).toEqual([]);
  });
});
