import { readFileSync } from 'node:fs';
import { type IncomingMessage, request, type RequestOptions } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { answerParent } from './child.js';
import { file } from './models.js';
import { PredictionTally, type StreamReport } from './prediction-tally.js';
import { benchSlot } from './served-model.js';
import type { Target } from './transports/transport.js';

export type PredictionsQuestion = { begin: Target } | { end: true };

/** A few, and as pictures: tensors of this size as JSON would hold up the runner for longer than a swap does. */
const everyMs = 250;
const body = readFileSync(file('models/photographs/pug.jpg'));
const tally = new PredictionTally();
const state = { going: false };
let loops: Promise<unknown> = Promise.resolve();

answerParent<PredictionsQuestion>(async (question): Promise<StreamReport | undefined> => {
  if ('begin' in question) {
    state.going = true;
    loops = Promise.all([follow(at(question.begin)), ask(at(question.begin))]);
    return undefined;
  }
  state.going = false;
  await loops;
  return tally.report();
});

const at = (target: Target): RequestOptions => ({
  ...('port' in target ? { port: target.port, host: '127.0.0.1' } : { socketPath: target.path }),
  agent: false,
});
const path = (what: string) => `/v1/slots/${benchSlot}/${what}`;

/** Each on a connection of its own, as a script would. */
async function ask(where: RequestOptions): Promise<void> {
  while (state.going) {
    try {
      const options: RequestOptions = { ...where, path: path('predict'), method: 'POST' };
      const response = await answerOf({ ...options, headers: { 'content-type': 'image/jpeg' } }, body);
      const answer = JSON.parse(await textOf(response)) as { id?: string; error?: string };
      if (answer.id === undefined) throw new Error(`${response.statusCode}: ${answer.error}`);
      tally.answered(answer.id);
    } catch (error) {
      tally.failed(`predict: ${(error as Error).message}`);
    }
    await delay(everyMs);
  }
}

/** One reader, that goes where it is sent, after the time that it is told. */
async function follow(where: RequestOptions): Promise<void> {
  let retryMs = 0;
  while (state.going) {
    await delay(retryMs);
    try {
      const response = await answerOf({ ...where, path: path('predictions/stream') });
      retryMs = await readEvents(response);
    } catch (error) {
      tally.failed(`stream: ${(error as Error).message}`);
      retryMs = everyMs;
    }
  }
}

/** Until the stream ends, with the time after which to come again; one that ends without a word has failed. */
async function readEvents(response: IncomingMessage): Promise<number> {
  let rest = '';
  let retryMs = 0;
  let moved = false;
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop()!;
    for (const fields of events.map(fieldsOf)) {
      retryMs = Number(fields.get('retry') ?? retryMs);
      if (fields.get('event') === 'moved') moved = true;
      if (fields.get('event') === 'prediction')
        tally.told((JSON.parse(fields.get('data')!) as { id: string }).id, fields.get('id'));
    }
    if (!state.going) return retryMs;
  }
  if (!moved) throw new Error('it ended without "moved"');
  tally.moved();
  return retryMs;
}

const fieldsOf = (event: string) =>
  new Map(event.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));

function answerOf(options: RequestOptions, sent: string | Uint8Array = ''): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(options, resolve).on('error', reject).end(sent);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return text;
}
