import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '@flotilla/protocol';
import type { OpenStore } from './file-store.js';
import type { FleetIdentity } from './identities.js';
import type { LedgerFile } from './ledger-file.js';
import type { Ledger } from './ledger.js';
import { SimulatedDevice } from './simulated-device.js';
import { SimulatedModel, usualBehaviour, type Behaviour } from './simulated-model.js';
import { usualPace, type Pace } from './simulated-slot.js';

export interface FleetOptions {
  readonly seed?: number;
  readonly pace?: Partial<Pace>;
  /** What each window covers, seconds: the models are drawn for it. */
  readonly windowS?: number;
  /** Of releases by digest; the others behave as usual. */
  readonly behaviours?: Readonly<Record<string, Behaviour>>;
  readonly maxRecords?: number;
  /** Windows and vitals by the clock (the default); else only when asked for. */
  readonly records?: boolean;
  readonly clockOf?: (i: number) => { aheadMs: number; rate: number; upForS?: number };
  readonly openStore?: OpenStore;
  readonly ledgerFile?: LedgerFile;
  /** Which life of these devices this is: records are numbered anew in each. */
  readonly life?: number;
  readonly backoff?: { baseMs: number; capMs: number };
  /** A link on which nothing came for so long is given up. */
  readonly silenceMs?: number;
}
export interface FleetCounts {
  readonly devices: number;
  readonly welcomed: number;
  readonly connects: number;
  /** How often links fell, and were not made, for which reason. */
  readonly falls: Readonly<Record<string, number>>;
  readonly held: number;
  readonly dropped: number;
  readonly refused: number;
}

/** Many devices in this process. */
export class SimulatedFleet {
  readonly devices: readonly SimulatedDevice[];
  readonly #models = new Map<Digest, SimulatedModel>();
  readonly #options: FleetOptions;
  readonly #watchers = new Set<() => void>();

  constructor(identity: FleetIdentity, options: FleetOptions = {}) {
    this.#options = options;
    const { seed = 1, pace, maxRecords = 20_000, records = true, clockOf, backoff } = options;
    const { openStore, ledgerFile, life, silenceMs } = options;
    this.devices = identity.devices.map(
      (own, i) =>
        new SimulatedDevice({
          identity: own,
          fleet: identity,
          seed: seed * 1_000_003 + i,
          pace: { ...usualPace, ...pace },
          modelOf: (digest) => this.#modelOf(digest),
          maxRecords,
          records,
          openStore,
          ledgerFile,
          life,
          silenceMs,
          clock: clockOf?.(i),
          backoff,
          onChange: () => this.#look(),
        }),
    );
  }

  /** Starts so many devices a second, and waits until the control plane has welcomed all. */
  async join(perS: number, withinMs: number): Promise<void> {
    const begun = performance.now();
    for (const [i, device] of this.devices.entries()) {
      const due = begun + (1000 * i) / perS;
      if (due - performance.now() > 5) await delay(due - performance.now());
      device.start();
    }
    await this.until(() => this.devices.every((device) => device.isWelcomed), 'every device is welcomed', withinMs);
  }

  counts(): FleetCounts {
    const states = this.devices.map(({ outbox }) => outbox.state);
    const falls = this.devices.flatMap((device) => device.falls);
    const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
    return {
      devices: this.devices.length,
      welcomed: this.devices.filter((device) => device.isWelcomed).length,
      connects: sum(this.devices.map((device) => device.connects)),
      falls: Object.fromEntries([...Map.groupBy(falls, (why) => why)].map(([why, all]) => [why, all.length])),
      held: sum(states.map((state) => state.records)),
      dropped: sum(states.map((state) => state.dropped)),
      refused: sum(this.devices.map((device) => device.refused)),
    };
  }

  ledger(): Ledger {
    return Object.fromEntries(this.devices.map(({ name, ledger }) => [name, ledger]));
  }

  /** Nothing new is measured; everything kept is sent and acknowledged. */
  async drain(withinMs: number): Promise<void> {
    for (const { recorder } of this.devices) recorder.stop();
    for (const { uplink } of this.devices) uplink.uploadNow();
    await this.until(() => this.devices.every(({ outbox }) => outbox.state.records === 0), 'every outbox is empty', withinMs);
  }

  /** When each device's report that it serves this digest was acknowledged, milliseconds since 1970; those that did not in time have none. */
  async reported(digest: string, withinMs: number): Promise<(number | null)[]> {
    const at = new Map<SimulatedDevice, number>();
    const look = () => {
      for (const device of this.devices)
        if (!at.has(device) && device.hasReported(digest)) at.set(device, performance.timeOrigin + performance.now());
      return at.size === this.devices.length;
    };
    await this.until(look, `every device has reported ${digest}`, withinMs).catch(() => undefined);
    return this.devices.map((device) => at.get(device) ?? null);
  }

  /** Looks again whenever a device heard something; at most every 20 ms. */
  async until(holds: () => boolean, what: string, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited ${withinMs} ms in vain until ${what}: ${JSON.stringify(this.counts())}`);
      await this.#something(Math.min(left, 1000));
      await delay(20);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.stop()));
  }

  #something(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.#watchers.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(resolve);
    });
  }

  #look(): void {
    for (const resolve of this.#watchers) resolve();
  }

  #modelOf(digest: Digest): SimulatedModel {
    const known = this.#models.get(digest);
    if (known) return known;
    const { behaviours = {}, windowS = 10, seed = 1 } = this.#options;
    const model = new SimulatedModel(behaviours[digest] ?? usualBehaviour, windowS, seed + this.#models.size);
    this.#models.set(digest, model);
    return model;
  }
}
