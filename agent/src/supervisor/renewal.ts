import type { KeyObject } from 'node:crypto';
import { RenewResponse } from '@flotilla/protocol/device';
import { backoffMs } from '../core/backoff.js';
import { certificateRequest } from './csr.js';
import { postJson } from './device-api.js';
import { credentials, validity, type Identity } from './identity.js';
import type { Logger } from './logger.js';
import { messageOf } from '../errors.js';

interface RenewalOptions {
  readonly key: KeyObject;
  readonly identity: () => Identity;
  readonly onRenewed: (identity: Identity) => void;
  readonly onAlarm: (alarm: { name: string; message: string }) => void;
  readonly now: () => number;
  readonly random: () => number;
  readonly log: Logger;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number };
}

/** Timers hold no more than 2^31 − 1 ms; a day is looked at anew anyway, as clocks are set. */
const longestWaitMs = 86_400_000;

/** Keeps the device's certificate fresh: from two thirds of its lifetime on it asks for the next one until it has it. */
export class Renewal {
  readonly #options: Required<RenewalOptions>;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #stopped = false;

  constructor(options: RenewalOptions) {
    this.#options = { backoff: { baseMs: 30_000, capMs: 3_600_000 }, ...options };
  }

  start(): void {
    const wait = renewAt(this.#options.identity().certificate) - this.#options.now();
    this.#wait(Math.min(longestWaitMs, Math.max(0, wait)));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const { identity, now, backoff, random } = this.#options;
    if (now() < renewAt(identity().certificate)) return this.start();
    try {
      await this.#renew();
      this.#attempt = 0;
      this.start();
    } catch (error) {
      this.#failed(error);
      this.#wait(1000 + backoffMs(this.#attempt, backoff, random()));
      this.#attempt += 1;
    }
  }

  async #renew(): Promise<void> {
    const { identity, key, onRenewed, log } = this.#options;
    const current = identity();
    const url = new URL('/device/v1/renew', current.deviceApiUrl);
    const answer = await postJson(url, { v: 1, csr: certificateRequest(key) }, credentials(key, current));
    const { certificate, ca, mqttUrl = current.mqttUrl, deviceApiUrl = current.deviceApiUrl } = RenewResponse.parse(answer);
    onRenewed({ ...current, certificate, ca, mqttUrl, deviceApiUrl });
    log.info({ until: new Date(validity(certificate).to).toISOString() }, 'certificate renewed');
  }

  #failed(error: unknown): void {
    const { identity, now, onAlarm, log } = this.#options;
    const { to } = validity(identity().certificate);
    log.warn({ error }, 'the certificate could not be renewed; it is tried again');
    if (now() < to) return;
    const message = `the device's certificate expired at ${new Date(to).toISOString()} and was not renewed (${messageOf(error)}): enrol it again`;
    onAlarm({ name: 'certificate-expired', message });
  }
}

export function renewAt(certificate: string): number {
  const { from, to } = validity(certificate);
  return from + ((to - from) * 2) / 3;
}
