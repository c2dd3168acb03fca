import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { WebhookOutput } from '@flotilla/protocol/device';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aLog, eventually } from '../../../fixtures/eventually.js';
import { FedPort } from '../../fixtures/ports.js';
import { Folders } from '../../fixtures/folders.js';
import { openOutput } from '../open.js';
import type { Output } from '../output.js';

type Received = { id: string; signature: string | undefined; sequences: number[]; bodies: Record<string, unknown>[] };
type Behaviour = (response: ServerResponse, received: Received) => void;

const folders = new Folders();
let receiver: Server;
let url: string;
let fed: FedPort;
let outputs: Output[];
let all: Received[];
let behave: Behaviour;
const accept: Behaviour = (response) => void response.writeHead(204).end();
const sequences = () => all.flatMap((each) => each.sequences);

beforeEach(async () => {
  fed = new FedPort();
  outputs = [];
  all = [];
  behave = accept;
  receiver = createServer((request, response) => void hear(request, response));
  await listen(0);
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/predictions`;
});
afterEach(async () => {
  await Promise.all(outputs.map((output) => output.stop('shutdown')));
  fed.port.close();
  receiver.closeAllConnections();
  receiver.close();
  await folders.clear();
});

const listen = (port: number) => new Promise<void>((resolve) => receiver.listen(port, '127.0.0.1', resolve));

async function hear(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { readings: { sequence: number }[] } };
  const id = String(request.headers['webhook-id']);
  const signature = request.headers['webhook-signature'] as string | undefined;
  const received = { id, signature, sequences: data.readings.map(({ sequence }) => sequence), bodies: data.readings };
  all.push(received);
  behave(response, received);
}

async function begin(more: object = {}): Promise<Output> {
  const settings = WebhookOutput.parse({ url, ...more });
  const slots = [{ port: fed.port, settings }];
  const output = await openOutput('webhook', { settings, slots, device: 'press-1', folder: '/nowhere', log: aLog() });
  outputs.push(output);
  output.start();
  return output;
}

describe('a webhook output', () => {
  it('sends each reading once, many at a time when they come fast, from the first one of this run on', async () => {
    const output = await begin();
    for (let n = 0; n < 500; n++) fed.publish();
    await eventually(() => output.status.sent === 501);
    expect(sequences()).toEqual(Array.from({ length: 501 }, (_, n) => n + 1));
    expect(all.length).toBeLessThan(10);
    expect(output.status).toEqual({ state: 'running', sent: 501, queued: 0, dropped: 0 });
    expect(all[0]!.bodies[0]).toMatchObject({ sequence: 1, quality: 'stale', device: 'press-1' });
  });

  it('tries again, under the same name, what a receiver that is down did not take', async () => {
    const troubles = [503, 500];
    behave = (response, received) => {
      const status = troubles.shift();
      if (status === undefined) accept(response, received);
      else response.writeHead(status).end();
    };
    const output = await begin();
    await eventually(() => output.status.sent === 1);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.map((each) => each.sequences)).toEqual([[1], [1], [1]]);
  });

  it('gives up what is refused, and goes on', async () => {
    behave = (response) => void response.writeHead(422).end();
    const output = await begin();
    await eventually(() => output.status.dropped === 1);
    expect(output.status).toMatchObject({ state: 'failed', sent: 0, queued: 0 });
    expect(output.status.reason).toBe(`${url}: it answers 422, and values that it refuses are given up`);
    behave = accept;
    fed.publish();
    await eventually(() => output.status.sent === 1);
    expect(output.status.state).toBe('running');
  });

  it('waits for a receiver that is not there', async () => {
    receiver.closeAllConnections();
    const { port } = receiver.address() as AddressInfo;
    await new Promise((resolve) => receiver.close(resolve));
    const output = await begin();
    await eventually(() => output.status.state === 'waiting');
    expect(output.status.reason).toContain('ECONNREFUSED');
    fed.publish();
    await listen(port);
    await eventually(() => output.status.sent === 2);
    expect(sequences()).toEqual([1, 2]);
  });

  it('follows no redirect, and keeps the values meanwhile', async () => {
    behave = (response) => void response.writeHead(307, { location: 'http://elsewhere/' }).end();
    const output = await begin();
    await eventually(() => output.status.state === 'failed');
    expect(output.status.reason).toContain('which sends on to http://elsewhere/: name that address itself');
    expect(output.status.queued).toBe(1);
  });

  it.each<[string, Behaviour]>([
    ['says nothing', () => {}],
    ['begins an answer and does not end it', (response) => void response.writeHead(200).write('{')],
  ])('leaves a receiver that %s, and asks again', async (_what, behaviour) => {
    behave = behaviour;
    const output = await begin({ timeoutS: 0.1 });
    await eventually(() => output.status.reason?.includes('no answer within 0.1 s'));
    behave = accept;
    await eventually(() => output.status.sent === 1);
  });

  it('leaves a receiver whose answer does not end', async () => {
    behave = (response) => void response.writeHead(200).write(Buffer.alloc(200_000));
    const output = await begin();
    await eventually(() => output.status.reason?.includes('its answer does not end'));
  });

  it('says which secret it can not read, and takes it once it is there', async () => {
    const folder = await folders.make();
    const secretFile = join(folder, 'secret');
    const output = await begin({ secretFile });
    await eventually(() => output.status.state === 'failed');
    expect(output.status.reason).toContain(`${secretFile} can not be read`);
    expect(all).toEqual([]);
    await writeFile(secretFile, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    await eventually(() => output.status.sent === 1);
    expect(all[0]!.signature).toMatch(/^v1,/);
  });

  it('sends what waits before it ends, and does not wait for a receiver in trouble', async () => {
    const output = await begin();
    await eventually(() => output.status.sent === 1);
    for (let n = 0; n < 300; n++) fed.publish();
    await output.stop('shutdown');
    expect(sequences()).toEqual(Array.from({ length: 301 }, (_, n) => n + 1));
    behave = (response) => void response.writeHead(503).end();
    const late = await begin();
    await eventually(() => late.status.state === 'waiting');
    await late.stop('shutdown');
    expect(late.status).toMatchObject({ sent: 0, queued: 1 });
  });
});
