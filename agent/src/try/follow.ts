import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { http } from '../node-http.js';
import { Prediction, Quality } from '../prediction.js';

/** As the gateway's stream has it; `seq` counts its results. */
export const Shown = Prediction.extend({ quality: Quality });
export type Shown = z.infer<typeof Shown>;

/** What is of use here of the gateway's view of a slot. */
const View = z.object({
  source: z.object({ state: z.string(), reason: z.string().optional() }).optional(),
  frames: z.record(z.string(), z.number()),
  trouble: z.string().optional(),
  latest: z.object({ sequence: z.number() }).optional(),
});
export type View = z.infer<typeof View>;

const againMs = 50;

/** The gateway of this device, asked for one slot. */
export class SlotView {
  constructor(
    private readonly port: number,
    private readonly slot: string,
  ) {}

  async view(): Promise<View> {
    return View.parse(JSON.parse((await collected(await this.#get(''))).toString('utf8')));
  }

  /** As it came: status, type and picture. */
  picture(): Promise<IncomingMessage> {
    return this.#get('/picture');
  }

  /** Resolves when the stream is open, which takes until the gateway is up; each result from then on is told. */
  async follow(onResult: (result: Shown) => void, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const response = await this.#get('/results/stream', signal).catch(() => undefined);
      if (response?.statusCode === 200) return void this.#read(response, onResult, signal);
      response?.resume();
      await delay(againMs, undefined, { signal });
    }
  }

  /** A gateway that was begun anew is followed again. */
  async #read(response: IncomingMessage, onResult: (result: Shown) => void, signal: AbortSignal): Promise<void> {
    try {
      let text = '';
      for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
        const blocks = (text + chunk).split('\n\n');
        text = blocks.pop()!;
        for (const data of blocks.flatMap(dataOf)) onResult(Shown.parse(JSON.parse(data)));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isCut(error)) throw error;
    }
    await this.follow(onResult, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  #get(path: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options = { host: '127.0.0.1', port: this.port, path: `/v1/slots/${this.slot}${path}`, ...(signal ? { signal } : {}) };
    http.get(options).once('response', resolve).once('error', reject);
    return promise;
  }
}

const isCut = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ECONNRESET';

/** Of one event; what is no prediction has none of interest. */
const dataOf = (block: string): string[] =>
  block.includes('event: prediction\n')
    ? block.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
    : [];

export async function collected(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
