import { z } from 'zod';
import { type Authority, makeRevocationList, type Revoked } from './certificates.js';
import { readText, type Secrets } from './key-file.js';

const file = 'revoked.json';
const Kept = z.object({
  number: z.int().min(0),
  revoked: z.array(z.object({ serial: z.string(), at: z.coerce.date() })),
});

/** The fleet's certificate revocation list: numbers only grow, over restarts and set-back clocks too. */
export class Revocations {
  readonly #serials: Set<string>;
  #pem = '';
  #last: Promise<void> = Promise.resolve();

  static async open(secrets: Secrets, authority: Authority): Promise<Revocations> {
    const kept = await readText(secrets, file);
    return new Revocations(secrets, authority, kept === undefined ? { number: 0, revoked: [] } : Kept.parse(JSON.parse(kept)));
  }

  private constructor(
    private readonly secrets: Secrets,
    private readonly authority: Authority,
    private readonly state: { number: number; revoked: Revoked[] },
  ) {
    this.#serials = new Set(state.revoked.map(({ serial }) => serial));
  }

  pem(): string {
    return this.#pem;
  }

  has(serial: string): boolean {
    return this.#serials.has(serial);
  }

  /** Signs a new list that also holds `serials`; with none it only renews the list. One at a time, so that none is lost. */
  add(serials: string[], now: Date): Promise<void> {
    const added = this.#last.then(() => this.#sign(serials, now));
    // The next one goes ahead however this one ended; its own caller is told.
    this.#last = added.catch(() => {});
    return added;
  }

  async #sign(serials: string[], now: Date): Promise<void> {
    for (const serial of serials.filter((s) => !this.#serials.has(s))) {
      this.#serials.add(serial);
      this.state.revoked.push({ serial, at: now });
    }
    this.state.number = Math.max(this.state.number + 1, Math.floor(now.getTime() / 1000));
    this.#pem = await makeRevocationList(this.authority, this.state.revoked, this.state.number, now);
    await this.secrets.writeSecret(file, Buffer.from(JSON.stringify(this.state)));
    // Brokers of others read it from here (`crlfile`).
    await this.secrets.writeSecret('crl.pem', Buffer.from(this.#pem));
  }
}
