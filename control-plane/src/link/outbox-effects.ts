import { downTopic, TenantId, type DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import type { AssignmentsService } from '../fleet/assignments.service.js';
import type { Issued } from '../fleet/desired-states.js';
import type { TrustService } from '../trust/trust.service.js';
import type { OutboxEffect } from './outbox.entity.js';

type Parts = {
  db: DataSource;
  assignments: Pick<AssignmentsService, 'desiredForAll'>;
  trust: Pick<TrustService, 'signDesired'>;
  publish: (topic: string, payload: string) => Promise<void>;
  dropSession: (device: DeviceId) => Promise<void>;
  renewSession: (device: DeviceId) => Promise<void>;
};

type Issuing = (device: DeviceId) => Promise<Issued | undefined>;

/** Does what the outbox says. Each may be done twice. */
export class OutboxEffects {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What came of each, in their order: nothing, or an error. */
  async performAll(effects: readonly OutboxEffect[]): Promise<unknown[]> {
    const devices = effects.flatMap(({ type, device }) => (type === 'send-desired' ? [device] : []));
    const issued = await this.#issue(devices);
    return Promise.all(effects.map((effect) => this.#perform(effect, issued).then(() => undefined, asError)));
  }

  async #perform({ type, device }: OutboxEffect, issued: Issuing): Promise<void> {
    switch (type) {
      case 'send-desired':
        return this.#send(await issued(device));
      case 'drop-session':
        return this.#parts.dropSession(device);
      case 'renew-session':
        return this.#parts.renewSession(device);
    }
  }

  /** In one transaction; where that fails, each in its own, so that one device's trouble is not the others'. */
  async #issue(devices: readonly DeviceId[]): Promise<Issuing> {
    const { db, assignments } = this.#parts;
    const issue = (some: readonly DeviceId[]) => db.transaction((tx) => assignments.desiredForAll(tx, some));
    try {
      const all = new Map((devices.length === 0 ? [] : await issue(devices)).map((each) => [each.row.id, each]));
      return async (device) => all.get(device);
    } catch (error) {
      if (devices.length === 1) return () => Promise.reject(error as Error);
      return async (device) => (await issue([device]))[0];
    }
  }

  /** The hash is committed before the device can report it: else its report would look like that of a forgotten epoch. */
  async #send(issued: Issued | undefined): Promise<void> {
    // A device that was removed meanwhile is told nothing more.
    if (!issued) return;
    const { state, row } = issued;
    const { trust, publish } = this.#parts;
    await publish(downTopic(TenantId.parse(row.tenant), row.id, 'desired'), await trust.signDesired(state));
  }
}

const asError = (error: unknown): unknown => error ?? new Error('it failed without saying why');
