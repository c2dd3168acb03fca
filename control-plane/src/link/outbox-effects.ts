import { downTopic, TenantId, type DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { AppError } from '../platform/errors.js';
import type { AssignmentsService } from '../fleet/assignments.service.js';
import type { TrustService } from '../trust/trust.service.js';
import type { OutboxEffect } from './outbox.entity.js';

type Parts = {
  db: DataSource;
  assignments: Pick<AssignmentsService, 'desiredFor'>;
  trust: Pick<TrustService, 'signDesired'>;
  publish: (topic: string, payload: string) => Promise<void>;
  dropSession: (device: DeviceId) => Promise<void>;
  renewSession: (device: DeviceId) => Promise<void>;
};

/** Does what the outbox says. Each may be done twice. */
export class OutboxEffects {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  perform(effect: OutboxEffect): Promise<void> {
    switch (effect.type) {
      case 'send-desired':
        return this.#sendDesired(effect.device);
      case 'drop-session':
        return this.#parts.dropSession(effect.device);
      case 'renew-session':
        return this.#parts.renewSession(effect.device);
    }
  }

  /** The hash is committed before the device can report it: else its report would look like that of a forgotten epoch. */
  async #sendDesired(device: DeviceId): Promise<void> {
    const { db, assignments, trust, publish } = this.#parts;
    try {
      const { state, row } = await db.transaction((tx) => assignments.desiredFor(tx, device));
      await publish(downTopic(TenantId.parse(row.tenant), device, 'desired'), await trust.signDesired(state));
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/** A device that was removed meanwhile is told nothing more. */
const isGone = (error: unknown) =>
  error instanceof AppError && ['DEVICE_NOT_FOUND', 'DEVICE_PENDING', 'DEVICE_REVOKED'].includes(error.code);
