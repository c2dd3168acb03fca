import { parentPort, workerData } from 'node:worker_threads';
import type {
  BatchLimits,
  HeldRecords,
  NewRecord,
  OutboxAck,
  OutboxBatch,
  OutboxLimits,
  OutboxState,
  RecordClass,
} from './outbox-contract.js';
import { OutboxStore } from './outbox-store.js';

/** The outbox's thread: a write that waits for the disk never holds up the supervisor. */
export interface OutboxWorkerData {
  readonly file: string;
  readonly thumbprint: string;
  readonly limits: OutboxLimits;
  /** Windows wait so long for others, unless they are to be sent. */
  readonly unwrittenS: number;
}
export type OutboxOrder =
  | { do: 'flush' | 'send-again' | 'start-new-stream' | 'close' }
  | { do: 'next-batch'; class: RecordClass; limits: BatchLimits }
  | { do: 'ack'; ack: OutboxAck };
export type ToOutbox = { type: 'append'; record: NewRecord } | { type: 'order'; id: number; order: OutboxOrder };
export type FromOutbox =
  | { type: 'done'; id: number; state: OutboxState; batch?: OutboxBatch | undefined }
  | { type: 'state'; state: OutboxState }
  | { type: 'alarm'; name: string; message: string; closes?: HeldRecords | undefined };

/** Records that come within this time share one write to the disk: each write wears a memory card by a good 25 kB, however little it is. */
const eventWaitsMs = 50;
/** So many don't wait. */
const mostWaiting = 200;

const port = parentPort!;
const post = (message: FromOutbox) => port.postMessage(message);
const { unwrittenS, ...kept } = workerData as OutboxWorkerData;
const waitsMs = { event: eventWaitsMs, window: Math.max(eventWaitsMs, unwrittenS * 1000) };
const store = new OutboxStore({
  ...kept,
  coarsen: undefined,
  now: () => performance.now() / 1000,
  random: Math.random,
  onAlarm: (name, message, closes) => post({ type: 'alarm', name, message, closes }),
});
let pending: NewRecord[] = [];
let timer: NodeJS.Timeout | undefined;
let due = Infinity;
let closed = false;

function commit(): void {
  clearTimeout(timer);
  due = Infinity;
  if (pending.length === 0) return;
  const records = pending;
  pending = [];
  store.append(records);
  if (store.wantsCoarsen) void makeRoom();
}

/** With zod and the protocol it is 10 MB, of use to a device only that was long without a network. */
async function makeRoom(): Promise<void> {
  await import('../jitless-schemas.js');
  const { coarsen } = await import('./outbox-coarsen.js');
  if (closed || !store.wantsCoarsen) return;
  store.coarsenBy(coarsen);
  post({ type: 'state', state: store.state() });
}

function commitWithin(ms: number): void {
  if (performance.now() + ms >= due) return;
  clearTimeout(timer);
  due = performance.now() + ms;
  timer = setTimeout(() => {
    commit();
    post({ type: 'state', state: store.state() });
  }, ms);
}

/** Only what is looked at has to be on disk before: the uplink asks for events all the time. */
function needsCommit(order: OutboxOrder): boolean {
  if (order.do === 'next-batch') return order.class === 'window' || pending.some((record) => record.class === 'event');
  return order.do === 'flush' || order.do === 'close';
}

function obey(order: OutboxOrder): OutboxBatch | undefined {
  switch (order.do) {
    case 'flush':
    case 'close':
      return undefined;
    case 'send-again':
      store.sendAgain();
      return undefined;
    case 'start-new-stream':
      store.startNewStream();
      return undefined;
    case 'ack':
      store.ack(order.ack);
      return undefined;
    case 'next-batch':
      return store.nextBatch(order.class, order.limits);
  }
}

port.on('message', (message: ToOutbox) => {
  if (message.type === 'append') {
    pending.push(message.record);
    return commitWithin(waitsMs[pending.length < mostWaiting ? message.record.class : 'event']);
  }
  if (needsCommit(message.order)) commit();
  const batch = obey(message.order);
  post({ type: 'done', id: message.id, state: store.state(), batch });
  if (message.order.do !== 'close') return;
  closed = true;
  store.close();
  port.close();
});
post({ type: 'state', state: store.state() });
