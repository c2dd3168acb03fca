import { judgeCommand, judgeDesired, type Anchor, type SignedDesired } from '@flotilla/agent/supervisor/signed-messages';
import type { Trust } from '@flotilla/agent/supervisor/trust';
import type { Command, DesiredState, Digest } from '@flotilla/protocol';

/** Believes what the agent believes, by the same checks; what is in force is in memory. */
export class DeviceTrust implements Pick<Trust, 'epoch' | 'hash' | 'desired' | 'command'> {
  readonly #anchor: Anchor;
  readonly #now: () => number;
  readonly #nonces = new Set<string>();
  #inForce: SignedDesired | undefined;
  refused = 0;

  constructor(anchor: Anchor, now: () => number) {
    this.#anchor = anchor;
    this.#now = now;
  }

  get epoch(): number {
    return this.#inForce?.desired.epoch ?? 0;
  }

  get hash(): Digest | undefined {
    return this.#inForce?.hash;
  }

  async desired(text: string): Promise<DesiredState | undefined> {
    const judged = await judgeDesired(this.#anchor, { epoch: this.epoch, hash: this.hash }, this.#now(), text);
    if ('refused' in judged) return this.#refuse();
    this.#inForce = judged;
    return judged.desired;
  }

  async command(text: string): Promise<Command | undefined> {
    const judged = await judgeCommand(this.#anchor, (nonce) => this.#nonces.has(nonce), this.#now(), text);
    if ('refused' in judged) return this.#refuse();
    this.#nonces.add(judged.command.nonce);
    return judged.command;
  }

  #refuse(): undefined {
    this.refused++;
    return undefined;
  }
}
