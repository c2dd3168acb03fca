import { downTopic, TenantId, type DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import type { AssignmentsService } from '../fleet/assignments.service.js';
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

/** Does what the outbox says. Each may be done twice. */
export class OutboxEffects {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Gives what failed of them, to be tried again. Desired states are made in sets: a kill has to reach thousands at once. */
  async perform(effects: readonly OutboxEffect[]): Promise<Map<OutboxEffect, unknown>> {
    const failed = new Map<OutboxEffect, unknown>();
    const [desired, others] = [effects.filter(isSendDesired), effects.filter((effect) => !isSendDesired(effect))];
    await Promise.all([
      this.#sendDesired(desired, failed),
      ...others.map((effect) => this.#endSession(effect).catch((error: unknown) => failed.set(effect, error))),
    ]);
    return failed;
  }

  async #endSession({ type, device }: OutboxEffect): Promise<void> {
    await (type === 'drop-session' ? this.#parts.dropSession(device) : this.#parts.renewSession(device));
  }

  /**
   * The hash is committed before the device can report it: else its report would look like that of a forgotten epoch.
   * A device that was removed meanwhile is told nothing more.
   */
  async #sendDesired(effects: readonly OutboxEffect[], failed: Map<OutboxEffect, unknown>): Promise<void> {
    if (effects.length === 0) return;
    const { db, assignments } = this.#parts;
    const byDevice = new Map(effects.map((effect) => [effect.device, effect]));
    try {
      const issued = await db.transaction((tx) => assignments.desiredForAll(tx, [...byDevice.keys()]));
      await Promise.all(
        issued.map((each) => this.#send(each).catch((error: unknown) => failed.set(byDevice.get(each.row.id)!, error))),
      );
    } catch (error) {
      if (effects.length === 1) failed.set(effects[0]!, error);
      // One of them spoils the set: each for itself.
      else for (const effect of effects) await this.#sendDesired([effect], failed);
    }
  }

  async #send({ state, row }: Issued): Promise<void> {
    const { trust, publish } = this.#parts;
    await publish(downTopic(TenantId.parse(row.tenant), row.id, 'desired'), await trust.signDesired(state));
  }
}

type Issued = Awaited<ReturnType<AssignmentsService['desiredForAll']>>[number];
const isSendDesired = ({ type }: OutboxEffect) => type === 'send-desired';
