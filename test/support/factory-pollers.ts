import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AttributeIds,
  ClientMonitoredItem,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  TimestampsToReturn,
} from 'node-opcua';
import type { OpenPeer } from './factory-kinds.js';
import type { Seen } from './factory-seen.js';

const pollMs = 50;
const registers = 66;
const qualities = ['', 'good', 'uncertain', 'stale', 'drifting', 'safe-mode'];
/** Read input registers 0 to 65 of unit 1. */
const request = Buffer.from([0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, registers]);

/** A PLC that polls its whole block, and comes again when its connection falls. */
export const modbusPeer: OpenPeer = async (port, seen) => {
  let current: Socket | undefined;
  void (async () => {
    for (;;) {
      current = connect(port, '127.0.0.1');
      await poll(current, seen);
      seen.fell();
      await pause(pollMs * 4);
    }
  })();
  return (ms) => flood(port, ms);
};

async function poll(socket: Socket, seen: Seen): Promise<void> {
  let answer = Buffer.alloc(0);
  socket.on('data', (piece) => {
    answer = Buffer.concat([answer, piece]);
    if (answer.length < 9 + registers * 2) return;
    seen.run(String(answer.readUInt32BE(9 + 28 * 2)));
    seen.reading(answer.readUInt32BE(9 + 4 * 2), qualities[answer.readUInt16BE(9 + 2 * 2)] ?? '');
    seen.swaps(answer.readUInt16BE(9 + 26 * 2));
    seen.rollBacks(answer.readUInt16BE(9 + 27 * 2));
    answer = Buffer.alloc(0);
    setTimeout(() => socket.write(request), pollMs);
  });
  socket.once('connect', () => socket.write(request));
  socket.on('error', () => {});
  await new Promise<void>((done) => socket.once('close', () => done()));
}

/** Requests without reading an answer. */
async function flood(port: number, ms: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  const many = Buffer.concat(Array.from({ length: 500 }, () => request));
  const until = performance.now() + ms;
  while (performance.now() < until && !socket.destroyed) {
    if (socket.writableLength < 4e6) socket.write(many);
    await pause(5);
  }
  socket.destroy();
}

const names = ['Sequence', 'Quality', 'Swaps', 'RollBacks'];

/** A SCADA system with a subscription. */
export const opcUaPeer: OpenPeer = async (port, seen, slot) => {
  const client = OPCUAClient.create({
    endpointMustExist: false,
    securityMode: MessageSecurityMode.None,
    securityPolicy: SecurityPolicy.None,
    connectionStrategy: { maxRetry: -1, initialDelay: 200, maxDelay: 1000 },
  });
  client.on('connection_lost', () => seen.fell());
  await client.connect(`opc.tcp://127.0.0.1:${port}`);
  const session = await client.createSession();
  const subscription = await session.createSubscription2({ requestedPublishingInterval: 100, publishingEnabled: true });
  let quality = '';
  for (const name of names) {
    const node = { nodeId: `ns=2;s=${slot}/${name}`, attributeId: AttributeIds.Value };
    const item = ClientMonitoredItem.create(subscription, node, { samplingInterval: 50, queueSize: 10 }, TimestampsToReturn.Both);
    item.on('changed', ({ value }) => {
      if (name === 'Quality') quality = value.value as string;
      if (name === 'Swaps') seen.swaps(Number(value.value));
      if (name === 'RollBacks') seen.rollBacks(Number(value.value));
      if (name === 'Sequence') seen.reading(Number(value.value), quality);
    });
  }
  seen.run('the first');
  return undefined;
};
