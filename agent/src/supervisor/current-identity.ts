import type { KeyObject } from 'node:crypto';
import { Agent } from 'node:https';
import { credentials, saveIdentity, validity, type Identity, type TlsCredentials } from './identity.js';

/** The identity in use: renewed from time to time, and asked for at each connection. */
export class CurrentIdentity {
  readonly key: KeyObject;
  readonly #data: string;
  #identity: Identity;
  #agent: Agent;

  constructor(data: string, key: KeyObject, identity: Identity) {
    this.key = key;
    this.#data = data;
    this.#identity = identity;
    this.#agent = new Agent({ ...this.tls(), keepAlive: true });
  }

  get value(): Identity {
    return this.#identity;
  }
  get validUntil(): number {
    return validity(this.#identity.certificate).to;
  }
  /** For HTTPS requests to the device API. */
  get agent(): Agent {
    return this.#agent;
  }

  tls(): TlsCredentials {
    return credentials(this.key, this.#identity);
  }

  /** Downloads that run go on over the connections that they have. */
  renew(identity: Identity): void {
    saveIdentity(this.#data, identity);
    this.#identity = identity;
    this.#agent = new Agent({ ...this.tls(), keepAlive: true });
  }
}
