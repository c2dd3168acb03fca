import type { Command, DesiredState, Digest } from '@flotilla/protocol/device';
import { readIfThere, writeDurably } from './durable-file.js';
import {
  judgeCommand,
  judgeDesired,
  verifyDesired,
  type Anchor,
  type Refusal,
  type RefusalReason,
  type SignedDesired,
} from './signed-messages.js';
import type { TrustedClock } from './trusted-clock.js';

const rememberedNonces = 1000;

interface TrustOptions {
  readonly anchor: Anchor;
  /** Holds the signed text of the desired state in force. */
  readonly file: string;
  readonly clock: TrustedClock;
  readonly onAlarm: (alarm: { name: string; message: string }) => void;
}

/** What the director says, once it is proven that he said it, to this device, and not long ago. Refusals are counted. */
export class Trust {
  readonly refused: Partial<Record<RefusalReason, number>> = {};
  readonly #options: TrustOptions;
  readonly #nonces = new Set<string>();
  #inForce: SignedDesired | undefined;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#inForce?.desired.epoch ?? 0;
  }
  get hash(): Digest | undefined {
    return this.#inForce?.hash;
  }

  /** At boot: the stored desired state, proven anew. `expired`: it stays in force, but is no order to begin anything. */
  async restore(): Promise<{ desired: DesiredState; expired: boolean } | undefined> {
    const stored = readIfThere(this.#options.file);
    if (stored === undefined) return undefined;
    const verified = await verifyDesired(this.#options.anchor, stored);
    if ('refused' in verified) return this.#refuse('stored-desired-refused', verified);
    this.#inForce = verified;
    return { desired: verified.desired, expired: verified.desired.expires <= this.#options.clock.now() };
  }

  /** The new desired state, durably stored; undefined when it was refused. */
  async desired(text: string): Promise<DesiredState | undefined> {
    const { anchor, clock, file } = this.#options;
    const judged = await judgeDesired(anchor, { epoch: this.epoch, hash: this.hash }, clock.now(), text);
    if ('refused' in judged) return this.#refuse('desired-refused', judged);
    if (judged.jws !== this.#inForce?.jws) writeDurably(file, judged.jws);
    this.#inForce = judged;
    clock.vouched(judged.desired.expires);
    return judged.desired;
  }

  async command(text: string): Promise<Command | undefined> {
    const { anchor, clock } = this.#options;
    const judged = await judgeCommand(anchor, (nonce) => this.#nonces.has(nonce), clock.now(), text);
    if ('refused' in judged) return this.#refuse('command-refused', judged);
    this.#remember(judged.command.nonce);
    return judged.command;
  }

  #remember(nonce: string): void {
    this.#nonces.add(nonce);
    const [oldest] = this.#nonces;
    if (this.#nonces.size > rememberedNonces && oldest) this.#nonces.delete(oldest);
  }

  /** One alarm for each reason: who floods a device with bad messages shall not flood the fleet's event log. */
  #refuse(name: string, { refused, message }: Refusal): undefined {
    const count = (this.refused[refused] ?? 0) + 1;
    this.refused[refused] = count;
    if (count === 1) this.#options.onAlarm({ name, message: `refused ${message}` });
  }
}
