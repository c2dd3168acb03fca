import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { SlotName } from '@flotilla/protocol/device';
import type { Exposure } from '../exposure.js';
import type { Credentials } from '../credentials.js';
import type { Log } from './runner-process.js';
import { StartError } from './start-error.js';
import { messageOf } from '../errors.js';

const dayMs = 86_400_000;
const warnDays = 14;
const shortestToken = 16;

/** Whose they are: a slot's, or without one the gateway's. */
type Owner = { slot?: SlotName };

/** The certificate, key, client CA and tokens of one exposed slot, or of the gateway. Read here, so that no runner fails for a file that is being written. */
export class CredentialFiles {
  #current: Credentials;
  #versions: string;
  #complaint = '';

  /** Throws a StartError that names the file that can't be used. */
  constructor(
    private readonly owner: Owner,
    private readonly files: Exposure,
    private readonly log: Log,
    private readonly now: () => number = Date.now,
  ) {
    this.#versions = this.#stat();
    try {
      this.#current = this.#read();
    } catch (error) {
      throw new StartError('config', `${this.#whose} cannot be exposed: ${messageOf(error)}`, { cause: error });
    }
  }

  get #whose(): string {
    return this.owner.slot === undefined ? 'the gateway' : `slot "${this.owner.slot}"`;
  }

  get current(): Credentials {
    return this.#current;
  }

  /** Whether there are new ones. Files that can't be used leave the last good ones in place, and are complained of once. */
  refresh(): boolean {
    try {
      const versions = this.#stat();
      if (versions === this.#versions && this.#complaint === '') return false;
      this.#current = this.#read();
      this.#versions = versions;
      this.#complaint = '';
      this.log.info(this.owner, 'new certificate, client CA or tokens are taken');
      return true;
    } catch (error) {
      const complaint = messageOf(error);
      if (complaint !== this.#complaint)
        this.log.error(this.owner, `${this.#whose} stays with its old certificate and tokens: ${complaint}`);
      this.#complaint = complaint;
      return false;
    }
  }

  #stat(): string {
    return Object.values(this.files)
      .map((file) => versionOf(file as string))
      .join();
  }

  #read(): Credentials {
    const { certificate, key, clientCa, tokens } = this.files;
    const credentials = {
      certificate: text(certificate),
      key: text(key),
      ...(clientCa === undefined ? {} : { clientCa: text(clientCa) }),
      tokens: tokens === undefined ? [] : hashesIn(tokens),
    };
    this.#checkCertificate(credentials);
    if (modeOf(key) & 0o007) throw new Error(`${key} can be read by everybody on this device: chmod 640 it, or tighter`);
    for (const pem of credentials.clientCa?.match(/-----BEGIN[^]*?-----END [^-]*-----/g) ?? ['']) parsed(clientCa, pem);
    return credentials;
  }

  #checkCertificate({ certificate, key }: Credentials): void {
    const own = parsed(this.files.certificate, certificate)!;
    if (!own.checkPrivateKey(privateKey(this.files.key, key)))
      throw new Error(`${this.files.key} is not the key of ${this.files.certificate}`);
    const days = Math.floor((own.validToDate.getTime() - this.now()) / dayMs);
    const until = own.validToDate.toISOString();
    if (days < warnDays)
      this.log.warn(
        { ...this.owner, until, days },
        `the certificate of ${this.#whose} ${days < 0 ? 'has expired' : 'expires soon'}`,
      );
  }
}

/** undefined for no file: there is nothing to parse. */
function parsed(file: string | undefined, pem: string): X509Certificate | undefined {
  if (file === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new Error(`${file} holds no certificate in PEM: ${messageOf(cause)}`, { cause });
  }
}

function privateKey(file: string, pem: string) {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new Error(`${file} holds no private key in PEM, or one with a password: ${messageOf(cause)}`, { cause });
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Error(`${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function hashesIn(file: string): string[] {
  const lines = text(file)
    .split('\n')
    .map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (tokens.length === 0) throw new Error(`${file} holds no token: write one a line, of ${shortestToken} characters or more`);
  const hashes = tokens.map((token) => /^sha256:([0-9a-f]{64})$/.exec(token)?.[1]);
  if (hashes.includes(undefined) && modeOf(file) & 0o077)
    throw new Error(`${file} holds tokens that others on this device can read: chmod 600 it, or write sha256:… lines`);
  return tokens.map((token, i) => hashes[i] ?? hashOf(file, token));
}

function hashOf(file: string, token: string): string {
  if (token.length < shortestToken || /\s/.test(token) || token.startsWith('sha256:'))
    throw new Error(
      `${file} holds a line that is no token of ${shortestToken} characters or more without blanks, nor sha256: with 64 hex digits`,
    );
  return createHash('sha256').update(token).digest('hex');
}

const modeOf = (file: string) => statSync(file).mode;

/** Of a missing file: what follows says so, in a sentence. */
function versionOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats ? `${stats.ino}:${stats.mtimeMs}:${stats.size}:${stats.mode}` : 'missing';
}
