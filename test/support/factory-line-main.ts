import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { encodeAnswer, frameType } from '@flotilla/agent/frame';
import { answerParent } from '../bench/child.js';
import { anAnswer } from './factory-answer.js';

/** `listen`: socket of the runner. `perSecond`: lines that the sensor sends from now on; 0 for none. */
export type LineQuestion = { listen: string; port: number } | { perSecond: number } | { counts: true };
export type LineCounts = { fed: number; answered: number };

const tickMs = 2;
const sensors = new Set<Socket>();
let [fed, answered, owed, perSecond] = [0, 0, 0, 0];
let last = performance.now();

/** A sensor that sends a sample a line, and a runner that answers each at once: what is measured is all that lies between. */
answerParent<LineQuestion>(async (question) => {
  if ('perSecond' in question) {
    [perSecond, last, owed] = [question.perSecond, performance.now(), 0];
    return undefined;
  }
  if ('counts' in question) return { fed, answered } satisfies LineCounts;
  const runner = createServer((request, response) => {
    request.resume();
    request.once('end', () => answer(response));
  });
  const sensor = createTcpServer((socket) => {
    sensors.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sensors.delete(socket));
  });
  await new Promise<void>((done) => runner.listen(question.listen, done));
  await new Promise<void>((done) => sensor.listen(question.port, '127.0.0.1', done));
  setInterval(feed, tickMs);
  return undefined;
});

function answer(response: ServerResponse): void {
  const body = encodeAnswer({ predictions: [anAnswer(++answered)] });
  response.writeHead(200, { 'content-type': frameType, 'content-length': body.byteLength }).end(body);
}

/** As many as are due, whatever the timer's grain. */
function feed(): void {
  const now = performance.now();
  owed += ((now - last) * perSecond) / 1000;
  last = now;
  if (sensors.size === 0) owed = 0;
  const lines = Math.floor(owed);
  if (lines === 0) return;
  owed -= lines;
  fed += lines;
  for (const socket of sensors) socket.write('0.5\n'.repeat(lines));
}
