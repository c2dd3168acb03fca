import type { DatabaseSync } from 'node:sqlite';
import { fewWindows, liveShare, maxUnacknowledged } from './live-first.js';
import { dropRecords, insertRecords, keepAge, keepSize, readMeta, removeRecords, single, sumOfBytes } from './outbox-records.js';
import { isWhole, sealMeta, sealOf, type Row } from './outbox-seal.js';
import type {
  BatchLimits,
  Coarsen,
  HeldRecords,
  NewRecord,
  OutboxAck,
  OutboxBatch,
  OutboxLimits,
  OutboxState,
  RecordClass,
} from './outbox-contract.js';
import { newStreamId, openFile, openMemory, sqliteCode, type Opened } from './outbox-schema.js';
import { SentSpans } from './sent-spans.js';

export interface StoreOptions {
  readonly file: string;
  /** The key that this stream speaks for: a file of another key is not ours. */
  readonly thumbprint: string;
  readonly limits: OutboxLimits;
  /** Undefined: it is given where the store `wantsCoarsen`, so that it needs to be loaded only then. */
  readonly coarsen: Coarsen | undefined;
  /** Uptime in seconds. */
  readonly now: () => number;
  readonly random: () => number;
  /** `closes`: the outbox that this is the end of. */
  readonly onAlarm: (name: string, message: string, closes?: HeldRecords) => void;
}

const memoryBytes = 4 * 2 ** 20;
const retryDiskS = 60;

/** The outbox itself, synchronous: it lives on a thread of its own. One file is one stream. */
export class OutboxStore {
  readonly #options: StoreOptions;
  readonly #spans: SentSpans;
  #coarsen: Coarsen | undefined;
  #database: DatabaseSync;
  #inFile = true;
  #openedAt = 0;
  #lifetimeAtOpen = 0;
  #bytes = 0;
  /** The last record that a live batch had the choice of. */
  #lastLive = 0;
  #triedDiskAt = 0;
  /** Records up to this one were there when the file was opened. */
  #lastFound = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#coarsen = options.coarsen;
    this.#spans = new SentSpans(options.random);
    this.#database = this.#openFileOrMemory();
    this.#load();
  }

  append(records: readonly NewRecord[]): void {
    this.#returnToDisk();
    this.#durably((database) => {
      const added = insertRecords(database, records, this.#lifetime());
      const bytes = this.#bytes + added - keepAge(database, this.#bounds(), this.#lifetime());
      return this.#coarsen ? bytes - keepSize(database, bytes, this.#bounds(), this.#coarsen) : bytes;
    });
  }

  /** It holds more than it should, and until it has this it keeps all of it. */
  get wantsCoarsen(): boolean {
    return !this.#coarsen && this.#bytes > this.#bounds().maxBytes;
  }

  coarsenBy(coarsen: Coarsen): void {
    this.#coarsen = coarsen;
    this.append([]);
  }

  /** The next records of a class with consecutive numbers, durably theirs before anything is sent; undefined: nothing to send now. */
  nextBatch(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    // What is happening now goes before what is sent again, and that before the rest of a backlog, oldest first.
    const live = recordClass === 'window' ? this.#live(limits) : undefined;
    return live ?? this.#resend(recordClass, limits) ?? this.#oldest(recordClass, limits);
  }

  ack({ upTo, ranges, refused }: OutboxAck): void {
    this.#durably((database) => {
      let freed = removeRecords(database, 'seq < ?', upTo);
      for (const [from, to] of ranges) freed += removeRecords(database, 'seq BETWEEN ? AND ?', from, to);
      for (const seq of refused) freed += removeRecords(database, 'seq = ?', seq);
      return this.#bytes - freed;
    });
    this.#spans.resolve(upTo);
    // Under a steady load there may be no other moment at which nothing waits.
    this.#returnToDisk();
  }

  /** After a reconnect: everything that is not acknowledged is due at once. */
  sendAgain(): void {
    this.#spans.allAgain();
  }

  /**
   * The server knows a later part of this stream than we do: an old disk came back, or a copy of another one. What the file
   * held when it was opened may have been sent in that later part, numbered or not: sent again it would count twice.
   */
  startNewStream(): void {
    const { stream } = readMeta(this.#database);
    const old = 'seq IS NOT NULL OR id <= ?';
    const held = {
      stream,
      sent: this.#count('seq IS NOT NULL'),
      unsent: this.#count(`seq IS NULL AND id <= ${this.#lastFound}`),
    };
    this.#durably((database) => {
      const freed = dropRecords(database, old, this.#lastFound);
      database.prepare('UPDATE meta SET stream = ?, next = 0').run(newStreamId());
      return this.#bytes - freed;
    });
    this.#spans.clear();
    const message = `the control plane knows a later part of stream ${stream}: the outbox is an old copy or another one's, and a new stream was begun`;
    this.#options.onAlarm('outbox-old-copy', `${message} (${inWords(held)} were given up: they may have arrived before)`, held);
  }

  state(): OutboxState {
    const { stream, next, dropped } = readMeta(this.#database);
    const count = (where: string) => this.#count(where);
    const lowest = single(this.#database, 'SELECT min(seq) FROM record WHERE seq IS NOT NULL');
    const unsent = { event: count(`class = 'event' AND seq IS NULL`), window: count(`class = 'window' AND seq IS NULL`) };
    const records = count('seq IS NOT NULL') + unsent.event + unsent.window;
    return {
      stream,
      next,
      base: lowest === null ? next : Number(lowest),
      records,
      bytes: this.#bytes,
      dropped,
      unsent,
      durable: this.#inFile,
    };
  }

  close(): void {
    this.#database.close();
  }

  #live(limits: BatchLimits): OutboxBatch | undefined {
    if (!this.#mayHaveMore('live')) return undefined;
    const query = `${unsent} AND id > ? ORDER BY id DESC LIMIT ${fewWindows + 1}`;
    const found = this.#database.prepare(query).all('window', this.#lastLive) as UnsentRow[];
    if (found[0]) this.#lastLive = found[0].id;
    return this.#firstSend('window', found.slice(0, liveShare(found.length)), limits);
  }

  #oldest(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    if (!this.#mayHaveMore(recordClass === 'window' ? 'backlog' : 'live')) return undefined;
    const found = this.#database.prepare(`${unsent} ORDER BY id LIMIT ?`).all(recordClass, limits.maxRecords) as UnsentRow[];
    return this.#firstSend(recordClass, found, limits);
  }

  #mayHaveMore(which: keyof typeof maxUnacknowledged): boolean {
    return this.#count('seq IS NOT NULL') < maxUnacknowledged[which];
  }

  /** As many of them from the front as fit. */
  #firstSend(recordClass: RecordClass, found: readonly UnsentRow[], limits: BatchLimits): OutboxBatch | undefined {
    if (!found.every(isWhole)) return this.#startOver();
    const rows = fitting(found, limits).toSorted((a, b) => a.id - b.id);
    if (rows.length === 0) return undefined;
    const { stream, next: seq0 } = readMeta(this.#database);
    this.#durably((database) => {
      // The disk failed just now: these rows are in the file still, and this is another stream.
      if (readMeta(database).stream !== stream) return this.#bytes;
      const number = database.prepare('UPDATE record SET seq = ?, seal = ? WHERE id = ?');
      rows.forEach((row, i) => number.run(seq0 + i, sealOf({ ...row, seq: seq0 + i }), row.id));
      database.prepare('UPDATE meta SET next = ?').run(seq0 + rows.length);
      return this.#bytes;
    });
    if (readMeta(this.#database).stream !== stream) return undefined;
    this.#spans.sent({ class: recordClass, from: seq0, to: seq0 + rows.length - 1, attempts: 0 }, this.#options.now());
    return { class: recordClass, seq0, bodies: rows.map((row) => row.body) };
  }

  #resend(recordClass: RecordClass, limits: BatchLimits): OutboxBatch | undefined {
    const query = this.#database.prepare('SELECT class, seq, body, seal FROM record WHERE seq BETWEEN ? AND ? ORDER BY seq');
    for (let span; (span = this.#spans.takeDue(recordClass, this.#options.now()));) {
      const rows = query.all(span.from, span.to) as (Row & { seq: number })[];
      if (!rows.every(isWhole)) return this.#startOver();
      const run = fitting(rows, limits).filter((row, i) => row.seq === rows[0]!.seq + i);
      const last = run.at(-1);
      if (!last) continue;
      this.#spans.sent({ ...span, from: run[0]!.seq, to: last.seq, attempts: span.attempts + 1 }, this.#options.now());
      const rest = rows[run.length];
      if (rest) this.#spans.again({ ...span, from: rest.seq });
      return { class: recordClass, seq0: run[0]!.seq, bodies: run.map((row) => row.body) };
    }
    return undefined;
  }

  /** Runs one transaction that gives the new count of bytes. Should the disk fail, the same is done in memory. */
  #durably(work: (database: DatabaseSync) => number): void {
    try {
      this.#bytes = this.#transaction(work);
    } catch (error) {
      if (!this.#inFile || sqliteCode(error) === undefined) throw error;
      this.#leaveDisk(error as Error);
      this.#bytes = this.#transaction(work);
    }
  }

  #transaction(work: (database: DatabaseSync) => number): number {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const bytes = work(this.#database);
      this.#database.prepare('UPDATE meta SET lifetime = ?').run(this.#lifetime());
      sealMeta(this.#database);
      this.#database.exec('COMMIT');
      return bytes;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #openFileOrMemory(): DatabaseSync {
    const { file, thumbprint } = this.#options;
    try {
      const opened = openFile(file, thumbprint);
      this.#tellSetAside(opened);
      return opened.database;
    } catch (error) {
      return this.#inMemory(error as Error);
    }
  }

  /** Its stream ends with this: what could be read of it is told, and nothing of it is sent. */
  #tellSetAside({ setAside, detail, held }: Opened): void {
    if (!setAside) return;
    const message = `the outbox file was ${setAside} (${detail}): it was set aside and a new stream begun`;
    const read = held && `; of stream ${held.stream ?? 'unknown'} ${inWords(held)} could be read`;
    this.#options.onAlarm('outbox-set-aside', message + (read ?? ''), held);
  }

  /** A record is not what was written: opening the file finds it too, and sets it aside. */
  #startOver(): undefined {
    this.#database.close();
    this.#database = this.#openFileOrMemory();
    this.#load();
  }

  #count(where: string): number {
    return Number(single(this.#database, `SELECT count(*) FROM record WHERE ${where}`));
  }

  #inMemory(error: Error): DatabaseSync {
    this.#inFile = false;
    this.#triedDiskAt = this.#options.now();
    const message = `the outbox cannot use its disk (${error.message}): telemetry is kept in memory, at most ${memoryBytes / 2 ** 20} MB of it`;
    this.#options.onAlarm('outbox-in-memory', message);
    return openMemory(this.#options.thumbprint);
  }

  /** What the file holds stays there for the next start; from here on this is another stream. */
  #leaveDisk(error: Error): void {
    try {
      this.#database.close();
    } catch (closing) {
      this.#options.onAlarm('outbox-close', `closing the failed outbox file: ${(closing as Error).message}`);
    }
    this.#database = this.#inMemory(error);
    this.#load();
  }

  /** Tried once a minute, and only while nothing in memory waits for an acknowledgement. */
  #returnToDisk(): void {
    const { now, onAlarm } = this.#options;
    if (this.#inFile || now() - this.#triedDiskAt < retryDiskS || this.state().next !== this.state().base) return;
    this.#triedDiskAt = now();
    const database = this.#writableFile();
    if (!database) return;
    const memory = this.#database;
    const unsent = memory.prepare('SELECT class, body FROM record ORDER BY id').all() as unknown as NewRecord[];
    this.#database = database;
    this.#inFile = true;
    this.#load();
    this.append(unsent);
    memory.close();
    onAlarm('outbox-on-disk', 'the outbox is on its disk again');
  }

  #writableFile(): DatabaseSync | undefined {
    const { file, thumbprint } = this.#options;
    let database: DatabaseSync | undefined;
    try {
      const opened = openFile(file, thumbprint);
      ({ database } = opened);
      database.exec('BEGIN IMMEDIATE; UPDATE meta SET lifetime = lifetime; COMMIT');
      this.#tellSetAside(opened);
      return database;
    } catch {
      // Still failing, as the alarm said: asked again in a minute.
      database?.close();
      return undefined;
    }
  }

  #load(): void {
    this.#openedAt = this.#options.now();
    this.#lifetimeAtOpen = readMeta(this.#database).lifetime;
    this.#bytes = sumOfBytes(this.#database, 'true');
    this.#lastFound = Number(single(this.#database, 'SELECT coalesce(max(id), 0) FROM record'));
    this.#lastLive = 0;
    this.#spans.clear();
    const sent = this.#database.prepare('SELECT class, seq FROM record WHERE seq IS NOT NULL ORDER BY seq');
    let run: { class: RecordClass; from: number; to: number } | undefined;
    for (const { class: recordClass, seq } of sent.iterate() as Iterable<{ class: RecordClass; seq: number }>) {
      if (run && run.class === recordClass && seq === run.to + 1) run.to = seq;
      else {
        if (run) this.#spans.again({ ...run, attempts: 0 });
        run = { class: recordClass, from: seq, to: seq };
      }
    }
    if (run) this.#spans.again({ ...run, attempts: 0 });
  }

  #bounds(): OutboxLimits {
    const { limits } = this.#options;
    return this.#inFile ? limits : { ...limits, maxBytes: Math.min(memoryBytes, limits.maxBytes) };
  }

  #lifetime(): number {
    return this.#lifetimeAtOpen + this.#options.now() - this.#openedAt;
  }
}

type UnsentRow = Row & { id: number };
const unsent = 'SELECT id, class, seq, body, seal FROM record WHERE class = ? AND seq IS NULL';
const inWords = ({ sent, unsent }: HeldRecords) => `${sent} sent and ${unsent} unsent records`;

/** As many from the front as fit, one at least. */
function fitting<Row extends { body: string }>(rows: readonly Row[], { maxBytes, maxRecords }: BatchLimits): Row[] {
  let bytes = 0;
  return rows.slice(0, maxRecords).filter((row, i) => (bytes += Buffer.byteLength(row.body)) <= maxBytes || i === 0);
}
