import type { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { backoffMs } from '../../../core/backoff.js';
import { messageOf } from '../../../errors.js';
import { contentsOf } from '../../credential-file.js';
import type { OpenOutput, Output, OutputParts, OutputStatus } from '../output.js';
import { readingId, readingJson } from '../reading-json.js';
import type { Reading } from '../reading.js';
import { type Batch, Batches } from './batch.js';
import { agentFor, post } from './post.js';
import { secretIn, webhookHeaders } from './signature.js';
import { type Verdict, verdictOf } from './verdict.js';

export const openWebhook: OpenOutput<'webhook'> = (parts) => new WebhookSlotOutput(parts);

/** Between two requests: a thousand readings a second go in forty. */
const paceMs = 25;
const retries = { baseMs: 500, capMs: 60_000 };
const partingMs = 1500;

type Credentials = { secret: Buffer | undefined; agent: Agent };

/** One slot's readings by POST, one request at a time and in order; each is sent until it is taken or refused. */
class WebhookSlotOutput implements Output {
  readonly #batches = new Batches();
  readonly #url: URL;
  readonly #closing = new AbortController();
  #credentials: Credentials | undefined;
  #unsubscribe: (() => void) | undefined;
  #working: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #ends = false;
  #inHand = 0;
  #sent = 0;
  #refused = 0;
  #state: Pick<OutputStatus, 'state' | 'reason'> = { state: 'starting' };

  constructor(private readonly parts: OutputParts<'webhook'>) {
    this.#url = new URL(parts.settings.url);
  }

  get status(): OutputStatus {
    const { queued, dropped } = this.#batches;
    return { ...this.#state, sent: this.#sent, queued: queued + this.#inHand, dropped: dropped + this.#refused };
  }

  start(): void {
    const { port } = this.parts.slots[0]!;
    this.#unsubscribe = port.subscribe((reading) => this.#take(reading));
    // That the gateway began anew is news, too.
    this.#take(port.latest);
    this.#working = this.#work();
  }

  /** What still waits is sent if it is taken in time. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#ends = true;
    this.#wake?.();
    const late = setTimeout(() => this.#closing.abort(), partingMs);
    await this.#working;
    clearTimeout(late);
    this.#credentials?.agent.destroy();
  }

  #take(reading: Reading): void {
    const { device, settings } = this.parts;
    this.#batches.add(readingId(reading), readingJson(reading, { device, prediction: settings.prediction }));
    this.#wake?.();
  }

  async #work(): Promise<void> {
    for (;;) {
      const batch = this.#batches.take();
      if (batch) await this.#deliver(batch);
      else if (this.#ends) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
      if (batch && !this.#ends) await pause(paceMs);
      if (this.#closing.signal.aborted) return;
    }
  }

  async #deliver(batch: Batch): Promise<void> {
    this.#inHand = batch.items.length;
    for (let attempt = 1; !this.#closing.signal.aborted; attempt += 1) {
      const [verdict, retryAfterMs] = await this.#try(batch);
      this.#say(verdict);
      if (verdict.is !== 'again') {
        if (verdict.is === 'taken') this.#sent += this.#inHand;
        else this.#refused += this.#inHand;
        this.#inHand = 0;
        return;
      }
      // Nobody waits for it any more.
      if (this.#ends) this.#closing.abort();
      const waitMs = Math.max(retryAfterMs, backoffMs(attempt, retries, Math.random()));
      await pause(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  async #try(batch: Batch): Promise<[verdict: Verdict, retryAfterMs: number]> {
    let credentials: Credentials;
    try {
      credentials = this.#credentials ??= await this.#read();
    } catch (error) {
      return [{ is: 'again', state: 'failed', reason: messageOf(error) }, 0];
    }
    const { secret, agent } = credentials;
    const now = new Date();
    const body = this.#batches.bodyOf(batch, now);
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const headers = webhookHeaders({ id: batch.id, timestamp, body }, secret);
    const timeoutMs = this.parts.settings.timeoutS * 1000;
    try {
      const answer = await post({ url: this.#url, agent, headers, body, timeoutMs, signal: this.#closing.signal });
      return [verdictOf(answer), answer.retryAfterMs];
    } catch (error) {
      return [{ is: 'again', state: 'waiting', reason: messageOf(error) }, 0];
    }
  }

  /** Read anew after each trouble: secrets and certificates are renewed. */
  async #read(): Promise<Credentials> {
    const { secretFile, caFile } = this.parts.settings;
    const [secret, ca] = await Promise.all([secretFile, caFile].map(contentsOf));
    return {
      secret: secret && secretIn(secret.toString('utf8'), secretFile!),
      agent: agentFor(this.#url, ca),
    };
  }

  #say(verdict: Verdict): void {
    const { origin, pathname } = this.#url;
    const is =
      verdict.is === 'taken'
        ? { state: 'running' as const }
        : { state: verdict.state, reason: `${origin}${pathname}: ${verdict.reason}` };
    if (verdict.is !== 'taken') {
      this.#credentials?.agent.destroy();
      this.#credentials = undefined;
      const { slot } = this.parts.slots[0]!.port;
      if (is.reason !== this.#state.reason) this.parts.log.warn({ output: 'webhook', slot, reason: is.reason }, 'not taken');
    }
    this.#state = is;
  }
}
