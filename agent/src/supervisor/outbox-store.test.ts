import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceWindow } from '@flotilla/protocol/device';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { anInferenceWindow } from '../fixtures/telemetry.js';
import type { NewRecord, OutboxBatch, RecordClass } from './outbox-contract.js';
import { coarsen } from './outbox-coarsen.js';
import { OutboxStore, type StoreOptions } from './outbox-store.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'outbox-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const limits = { maxBytes: 1000, maxRecords: 3 };
const options = (overrides: Partial<StoreOptions> = {}): StoreOptions => ({
  file: join(folder, 'outbox.db'),
  thumbprint: 'ours',
  limits: { maxBytes: 1e6, maxAgeS: 1000 },
  coarsen,
  now: () => 0,
  random: () => 0.5,
  onAlarm: () => {},
  ...overrides,
});
const event = (body: string): NewRecord => ({ class: 'event', body });
const window = (body: string): NewRecord => ({ class: 'window', body });

type Action =
  | { do: 'append'; class: RecordClass; count: number }
  | { do: 'send'; class: RecordClass }
  | { do: 'wait' | 'crash' | 'close' }
  | { do: 'ack'; pick: number; partly: boolean };
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constant('append'), class: fc.constantFrom('event', 'window'), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant('send'), class: fc.constantFrom('event', 'window') }),
  fc.record({ do: fc.constantFrom('wait', 'crash', 'close') }),
  fc.record({ do: fc.constant('ack'), pick: fc.nat(), partly: fc.boolean() }),
);

/** The far end: what it got under which number, and what it has confirmed. */
class Server {
  readonly got = new Map<number, string>();
  readonly confirmed = new Set<number>();
  take({ seq0, bodies }: OutboxBatch) {
    for (const [i, body] of bodies.entries()) {
      expect(this.got.get(seq0 + i) ?? body, 'a number keeps its record').toBe(body);
      expect(this.confirmed.has(seq0 + i), 'what is confirmed is not sent again').toBe(false);
      this.got.set(seq0 + i, body);
    }
  }
  lowestOpen(next: number) {
    return [...this.got.keys()].filter((seq) => !this.confirmed.has(seq)).reduce((a, b) => Math.min(a, b), next);
  }
}

function runActions(actions: readonly Action[], at: string) {
  let now = 0;
  let file = join(at, '0.db');
  // Older than all the waits together: what is given up for its age is another test's.
  const open = () => new OutboxStore(options({ file, now: () => now, limits: { maxBytes: 1e6, maxAgeS: 1e6 } }));
  let store = open();
  const { stream } = store.state();
  const server = new Server();
  const appended: string[] = [];
  const acknowledge = (seqs: readonly number[]) => {
    store.ack({ upTo: 0, ranges: seqs.map((seq) => [seq, seq] as const), refused: [] });
    for (const seq of seqs) server.confirmed.add(seq);
  };
  const send = (recordClass: RecordClass) => {
    const batch = store.nextBatch(recordClass, limits);
    if (batch) server.take(batch);
    return batch;
  };
  const act: { [T in Action['do']]: (action: Extract<Action, { do: T }>) => unknown } = {
    append: (a) => {
      const bodies = Array.from({ length: a.count }, (_, i) => `"${appended.length + i}"`);
      store.append(bodies.map((body) => ({ class: a.class, body })));
      appended.push(...bodies);
    },
    send: (a) => send(a.class),
    wait: () => (now += 400),
    ack: (a) => {
      const unconfirmed = [...server.got.keys()].filter((seq) => !server.confirmed.has(seq));
      acknowledge(a.partly ? unconfirmed.filter((seq) => (seq + a.pick) % 2 === 0) : unconfirmed);
    },
    close: () => {
      store.close();
      store = open();
    },
    // What the disk holds without a close is what a power cut leaves.
    crash: () => {
      const copy = join(at, `${Number(file.match(/(\d+)\.db$/)![1]) + 1}.db`);
      for (const suffix of ['', '-wal']) if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
      store.close();
      file = copy;
      store = open();
    },
  };
  for (const a of actions) {
    (act[a.do] as (action: Action) => unknown)(a);
    const { next, base } = store.state();
    expect(base, 'base is the lowest number still held').toBe(server.lowestOpen(next));
  }
  store.sendAgain();
  for (const recordClass of ['event', 'window'] as const) {
    for (let batch; (batch = send(recordClass));) {
      acknowledge(batch.bodies.map((_, i) => batch!.seq0 + i).filter((seq) => !server.confirmed.has(seq)));
    }
  }
  expect(store.state()).toMatchObject({ stream, records: 0, bytes: 0, dropped: 0, next: appended.length, base: appended.length });
  expect([...server.got.values()].toSorted()).toEqual(appended.toSorted());
  store.close();
}

describe('the outbox', { timeout: 60_000 }, () => {
  it('loses, doubles and renumbers nothing, whatever the order of sends, acknowledgements and power cuts', () => {
    let run = 0;
    fc.assert(
      fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
        const at = mkdtempSync(join(folder, `${run++}-`));
        runActions(actions, at);
        rmSync(at, { recursive: true });
      }),
      { numRuns: Number(process.env['FLOTILLA_FUZZ_RUNS'] ?? 40) },
    );
  });

  it('sends again only after its time, and all at once after a reconnect', () => {
    let now = 0;
    const store = new OutboxStore(options({ now: () => now }));
    store.append([event('1'), event('2')]);
    const first = store.nextBatch('event', limits);
    expect(first).toEqual({ class: 'event', seq0: 0, bodies: ['1', '2'] });
    expect(store.nextBatch('event', limits)).toBeUndefined();
    now = 9;
    expect(store.nextBatch('event', limits)).toBeUndefined();
    now = 10;
    expect(store.nextBatch('event', limits)).toEqual(first);
    expect(store.nextBatch('event', limits)).toBeUndefined();
    store.sendAgain();
    expect(store.nextBatch('event', limits)).toEqual(first);
    store.close();
  });

  it('gives what came since the last live batch first, then the backlog from its old end', () => {
    const store = new OutboxStore(options());
    const sent = () => store.nextBatch('window', limits)?.bodies;
    store.append(Array.from({ length: 8 }, (_, i) => window(String(i))));
    expect([sent(), sent()]).toEqual([
      ['5', '6', '7'],
      ['0', '1', '2'],
    ]);
    store.append([window('8')]);
    expect([sent(), sent(), sent()]).toEqual([['8'], ['3', '4'], undefined]);
    store.close();
  });

  it('sends a few of many at once, and stops a backlog that is not acknowledged before what is live', () => {
    const store = new OutboxStore(options());
    const sent = () => store.nextBatch('window', { maxBytes: 1e6, maxRecords: 1000 });
    store.append(Array.from({ length: 6000 }, (_, i) => window(String(i))));
    expect(sent()?.bodies).toEqual(Array.from({ length: 16 }, (_, i) => String(5984 + i)));
    const backlog = Array.from({ length: 5 }, () => sent()?.bodies.length);
    expect(backlog).toEqual([1000, 1000, 1000, 1000, undefined]);
    store.append([window('live')]);
    expect(sent()?.bodies).toEqual(['live']);
    store.ack({ upTo: 1016, ranges: [], refused: [] });
    expect(sent()?.bodies[0]).toBe('4000');
    store.close();
  });

  it('gives unsent windows up first, then sent ones, then events, and counts them', () => {
    const tenBytes = (name: string) => name.padEnd(10, '.');
    const store = new OutboxStore(options({ limits: { maxBytes: 60, maxAgeS: 1000 } }));
    store.append([window(tenBytes('sent')), event(tenBytes('e0'))]);
    store.nextBatch('window', limits);
    store.append([1, 2, 3, 4, 5].map((i) => window(tenBytes(`w${i}`))));
    expect(store.state()).toMatchObject({ records: 6, bytes: 60, dropped: 1, base: 0 });
    expect(store.nextBatch('window', { ...limits, maxRecords: 9 })?.bodies[0]).toBe(tenBytes('w2'));
    store.append([1, 2, 3, 4, 5].map((i) => event(tenBytes(`e${i}`))));
    expect(store.state()).toMatchObject({ dropped: 6, base: 5, next: 5, unsent: { event: 6 } });
    store.append([event(tenBytes('e6'))]);
    expect(store.nextBatch('event', { ...limits, maxRecords: 9 })?.bodies[0]).toBe(tenBytes('e1'));
    store.close();
  });

  it('merges windows that were never sent before it drops any, the oldest ones first, and loses no count', () => {
    const count = 300;
    const bytesOf = (bodies: readonly string[]) => bodies.reduce((all, body) => all + Buffer.byteLength(body), 0);
    const windows = Array.from({ length: count }, (_, i) =>
      JSON.stringify(anInferenceWindow({ start: i * 10, end: (i + 1) * 10, ok: i })),
    );
    const sent = JSON.stringify(anInferenceWindow({ boot: '00000000-0000-4000-8000-000000000009', ok: 7 }));
    const store = new OutboxStore(options({ limits: { maxBytes: bytesOf(windows) / 2, maxAgeS: 1e6 } }));
    store.append([window(sent)]);
    expect(store.nextBatch('window', limits)?.bodies).toEqual([sent]);
    for (const body of windows) store.append([window(body)]);
    const { dropped, bytes, records } = store.state();
    expect({ dropped, isSmall: bytes <= bytesOf(windows) / 2, isFewer: records < count }).toEqual({
      dropped: 0,
      isSmall: true,
      isFewer: true,
    });
    store.sendAgain();
    const left: InferenceWindow[] = [];
    for (let batch; (batch = store.nextBatch('window', { maxBytes: 1e6, maxRecords: 1000 }));)
      left.push(...batch.bodies.map((body) => InferenceWindow.parse(JSON.parse(body))));
    const [first, ...others] = left.toSorted(
      (a, b) => Number(a.boot === anInferenceWindow().boot) - Number(b.boot === anInferenceWindow().boot) || a.start - b.start,
    );
    expect(first).toMatchObject({ ok: 7 });
    expect(others.reduce((sum, { ok }) => sum + ok, 0)).toBe((count * (count - 1)) / 2);
    expect(others.at(0)).toMatchObject({ start: 0, end: 600 });
    expect(others.at(-1)).toMatchObject({ end: count * 10, ok: count - 1 });
    store.close();
  });

  it('drops what is too old by the time that the agent ran', () => {
    let now = 0;
    const first = new OutboxStore(options({ now: () => now }));
    first.append([event('old')]);
    now = 600;
    first.append([event('younger')]);
    first.close();
    now = 0;
    const second = new OutboxStore(options({ now: () => now }));
    now = 500;
    second.append([event('new')]);
    expect(second.nextBatch('event', limits)?.bodies).toEqual(['younger', 'new']);
    expect(second.state().dropped).toBe(1);
    second.close();
  });

  it('goes on as another stream, with what is surely new, when the server knows a later part of this one', () => {
    const before = new OutboxStore(options());
    before.append([event('sent'), event('sent later, for all that this copy knows')]);
    before.nextBatch('event', { ...limits, maxRecords: 1 });
    const { stream } = before.state();
    before.close();
    const alarms: unknown[][] = [];
    const store = new OutboxStore(options({ onAlarm: (name, _message, closes) => alarms.push([name, closes]) }));
    store.append([event('new')]);
    store.startNewStream();
    expect(store.state()).toMatchObject({ next: 0, base: 0, records: 1, dropped: 2 });
    expect(store.state().stream).not.toBe(stream);
    expect(store.nextBatch('event', limits)).toEqual({ class: 'event', seq0: 0, bodies: ['new'] });
    expect(alarms).toEqual([['outbox-old-copy', { stream, sent: 1, unsent: 1 }]]);
    store.close();
  });

  it('frees the records that an acknowledgement refuses', () => {
    const store = new OutboxStore(options());
    store.append([event('1'), event('poison'), event('3')]);
    store.nextBatch('event', limits);
    store.ack({ upTo: 1, ranges: [[2, 2]], refused: [1] });
    store.ack({ upTo: 1, ranges: [[2, 2]], refused: [1] });
    expect(store.state()).toMatchObject({ records: 0, bytes: 0, base: 3, dropped: 0 });
    store.close();
  });
});

describe('a bad outbox file', () => {
  function filledFile(): string {
    const { file } = options();
    const store = new OutboxStore(options());
    store.append(Array.from({ length: 300 }, (_, i) => event(`${i}`.repeat(100))));
    store.close();
    return file;
  }
  function readState(file: string): ReturnType<OutboxStore['state']> {
    const store = new OutboxStore(options({ file }));
    const state = store.state();
    store.close();
    return state;
  }
  const damage: Record<string, (file: string) => void> = {
    'is cut short': (file) => truncateSync(file, 10_000),
    'holds garbage': (file) => writeFileSync(file, Buffer.alloc(20_000, 'no database')),
    'has rotten pages': (file) => {
      const bytes = readFileSync(file);
      bytes.fill(0xee, 4096, bytes.length - 4096);
      writeFileSync(file, bytes);
    },
  };
  it.each(Object.keys(damage))('that %s is set aside, said so, and a new stream begins', (how) => {
    const file = filledFile();
    damage[how]!(file);
    const alarms: string[] = [];
    const store = new OutboxStore(options({ onAlarm: (name, message) => alarms.push(`${name}: ${message}`) }));
    expect(alarms).toEqual([expect.stringMatching(/^outbox-set-aside: the outbox file was damaged/)]);
    expect(existsSync(`${file}.aside`)).toBe(true);
    store.append([event('works')]);
    expect(store.state()).toMatchObject({ records: 1, next: 0, durable: true });
    store.close();
  });

  const flipped: Record<string, (database: DatabaseSync) => void> = {
    "in a record's text": (database) => database.exec(`UPDATE record SET body = replace(body, '1', '6') WHERE seq = 1`),
    'in a number': (database) => database.exec('UPDATE record SET seq = 9 WHERE seq = 1'),
    'in the next number': (database) => database.exec('UPDATE meta SET next = 1'),
  };
  const held: Record<string, object> = {
    'in the next number': { sent: 3, unsent: 297 },
    ...Object.fromEntries(
      ["in a record's text", 'in a number'].map((how) => [how, { next: 3, sent: 2, unsent: 297, dropped: 0 }]),
    ),
  };
  it.each(Object.keys(flipped))('with a bit that flipped %s is set aside, and says what could be read', (how) => {
    const file = filledFile();
    const before = new OutboxStore(options());
    before.nextBatch('event', limits);
    const { stream } = before.state();
    before.close();
    const database = new DatabaseSync(file);
    flipped[how]!(database);
    database.close();
    const closed: unknown[] = [];
    const store = new OutboxStore(options({ onAlarm: (_name, _message, closes) => closed.push(closes) }));
    expect(closed).toEqual([{ ...held[how], ...(how !== 'in the next number' && { stream }) }]);
    expect(store.state()).toMatchObject({ records: 0, next: 0, durable: true });
    store.close();
  });

  it('that is cut short says what was before the cut', () => {
    const file = filledFile();
    truncateSync(file, 60_000);
    const closed: unknown[] = [];
    new OutboxStore(options({ onAlarm: (_name, _message, closes) => closed.push(closes) })).close();
    expect(closed).toEqual([expect.objectContaining({ stream: expect.stringMatching(/^[0-9a-f]{32}$/), next: 0 })]);
    expect((closed[0] as { unsent: number }).unsent).toBeGreaterThan(10);
  });

  it('that goes bad while it is in use sends nothing of the bad record', () => {
    const file = filledFile();
    const alarms: string[] = [];
    const store = new OutboxStore(options({ onAlarm: (name) => alarms.push(name) }));
    const { stream } = store.state();
    const database = new DatabaseSync(file);
    database.exec(`UPDATE record SET body = '"other"' WHERE id = 2`);
    database.close();
    expect(store.nextBatch('event', limits)).toBeUndefined();
    expect(alarms).toEqual(['outbox-set-aside']);
    store.append([event('works')]);
    expect(store.nextBatch('event', limits)).toMatchObject({ seq0: 0, bodies: ['works'] });
    expect(store.state().stream).not.toBe(stream);
    store.close();
  });

  it('of the version before this one is read on', () => {
    const file = filledFile();
    const { stream } = readState(file);
    const database = new DatabaseSync(file);
    database.exec('ALTER TABLE record DROP COLUMN seal; ALTER TABLE meta DROP COLUMN seal; PRAGMA user_version = 1');
    database.close();
    expect(readState(file)).toMatchObject({ stream, records: 300, dropped: 0 });
  });

  it("that is another key's is not spoken for", () => {
    filledFile();
    const alarms: string[] = [];
    const store = new OutboxStore(options({ thumbprint: 'another', onAlarm: (name) => alarms.push(name) }));
    expect({ alarms, records: store.state().records }).toEqual({ alarms: ['outbox-set-aside'], records: 0 });
    store.close();
  });

  it('is replaced by memory while its disk fails, and taken up again when the disk works', () => {
    let now = 0;
    const alarms: string[] = [];
    const file = join(folder, 'absent', 'outbox.db');
    const store = new OutboxStore(options({ file, now: () => now, onAlarm: (name) => alarms.push(name) }));
    const { stream } = store.state();
    store.append([event('kept in memory')]);
    expect(store.state()).toMatchObject({ durable: false, records: 1 });
    now = 61;
    store.append([event('disk still gone')]);
    expect(store.state().durable).toBe(false);
    mkdirSync(join(folder, 'absent'));
    expect(store.nextBatch('event', { ...limits, maxRecords: 1 })?.bodies).toEqual(['kept in memory']);
    now = 122;
    store.append([event('something waits for its acknowledgement')]);
    expect(store.state().durable).toBe(false);
    store.ack({ upTo: 1, ranges: [], refused: [] });
    expect(alarms).toEqual(['outbox-in-memory', 'outbox-on-disk']);
    expect(store.state()).toMatchObject({ durable: true, records: 2 });
    expect(store.state().stream).not.toBe(stream);
    store.close();
  });
});
