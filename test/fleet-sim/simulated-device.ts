import { randomUUID } from 'node:crypto';
import { Alarms } from '@flotilla/agent/supervisor/alarms';
import { createLogging } from '@flotilla/agent/supervisor/logger';
import { MqttLink } from '@flotilla/agent/supervisor/mqtt-link';
import { Session } from '@flotilla/agent/supervisor/session';
import { Uplink } from '@flotilla/agent/supervisor/uplink';
import {
  BootId,
  DeviceConfig,
  type DesiredState,
  DeviceId,
  type Digest,
  type DownKind,
  KeyThumbprint,
  type SlotName,
  TenantId,
} from '@flotilla/protocol';
import { DeviceOutbox } from './device-outbox.js';
import { DeviceTrust } from './device-trust.js';
import { FaultyAir } from './faulty-air.js';
import type { OpenStore } from './file-store.js';
import type { DeviceIdentity, FleetIdentity } from './identities.js';
import type { LedgerFile } from './ledger-file.js';
import { enter, keyOf, newDeviceLedger } from './ledger.js';
import { MemoryStore, type RecordStore } from './memory-store.js';
import { seeded } from './random.js';
import { Recorder } from './recorder.js';
import type { SimulatedModel } from './simulated-model.js';
import { SimulatedSlot, type Pace } from './simulated-slot.js';

export interface DeviceParts {
  readonly identity: DeviceIdentity;
  readonly fleet: Pick<FleetIdentity, 'mqttUrl' | 'tenant' | 'ca' | 'directorKey'>;
  readonly seed: number;
  readonly pace: Pace;
  readonly modelOf: (digest: Digest) => SimulatedModel;
  readonly maxRecords: number;
  /** Windows and vitals by the clock; else only when asked for. */
  readonly records: boolean;
  /** The agent's own outbox, or another one; in memory where absent. */
  readonly openStore?: OpenStore | undefined;
  /** What it kept, where that is to be known after this process. */
  readonly ledgerFile?: LedgerFile | undefined;
  readonly life?: number | undefined;
  /** The device's clock is so far from the right time, and so much too fast or slow; it has been up for so long. */
  readonly clock?: { readonly aheadMs: number; readonly rate: number; readonly upForS?: number } | undefined;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number } | undefined;
  readonly silenceMs?: number | undefined;
  readonly onChange?: ((device: SimulatedDevice) => void) | undefined;
}

const { log } = createLogging('silent', () => {});
const hardwareClass = 'generic-x64/1.30.0+avx2';

/** One device: the agent's link, session, uplink, checks and update machine; simulated is what lies below them. */
export class SimulatedDevice {
  readonly name: string;
  readonly ledger = newDeviceLedger();
  readonly boot = BootId.parse(randomUUID());
  readonly outbox: DeviceOutbox;
  readonly uplink: Uplink;
  readonly recorder: Recorder;
  readonly #parts: DeviceParts;
  readonly #random: () => number;
  readonly #trust: DeviceTrust;
  readonly #link: MqttLink;
  readonly #session: Session;
  readonly #slots = new Map<SlotName, SimulatedSlot>();
  readonly #bootedAt: number;
  readonly #alarms: Alarms;
  /** What its messages go through, both ways. */
  readonly air: FaultyAir;
  #aheadMs: number;
  #acknowledged: () => void = () => {};
  connects = 0;
  /** Why its link fell, each time. */
  readonly falls: string[] = [];

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    const { identity, fleet, seed } = parts;
    this.name = identity.device;
    this.#random = seeded(seed);
    this.#bootedAt = performance.now() - 1000 * (parts.clock?.upForS ?? 0);
    this.#aheadMs = parts.clock?.aheadMs ?? 0;
    this.#alarms = new Alarms(this.boot, () => this.uptime(), log);
    this.air = new FaultyAir(this.#random);
    const device = DeviceId.parse(identity.device);
    this.#trust = new DeviceTrust(
      { directorKey: fleet.directorKey, device, keyThumbprint: KeyThumbprint.parse(identity.keyThumbprint) },
      () => Date.now() + this.#aheadMs,
    );
    this.outbox = new DeviceOutbox(this.#openStore());
    this.#link = this.#makeLink(device);
    const { uptime, outbox } = this;
    const config = DeviceConfig.parse({});
    this.uplink = new Uplink({ link: this.air.over(this.#link), outbox, boot: this.boot, uptime, log, uploadS: config.uploadS });
    this.#session = this.#makeSession(config.heartbeatS);
    this.recorder = new Recorder({
      boot: this.boot,
      uptime,
      random: this.#random,
      slots: () => [...this.#slots].flatMap(([name, { serving }]) => (serving ? [{ name, serving }] : [])),
      modelOf: parts.modelOf,
      keep: (records) => {
        for (const record of records) enter(this.ledger, keyOf(record));
        parts.ledgerFile?.keeping(this.name, records);
        outbox.appendAll(records);
        parts.ledgerFile?.kept(this.name, records);
      },
      life: parts.life,
      held: () => outbox.state,
    });
    this.#alarms.deliverTo((event) => this.recorder.alarm(event));
    outbox.onChange(() => {
      this.#session.streamChanged();
      this.uplink.pump();
    });
  }

  readonly uptime = (): number => ((performance.now() - this.#bootedAt) / 1000) * (this.#parts.clock?.rate ?? 1);

  get isWelcomed(): boolean {
    return this.#session.isWelcomed;
  }
  get epoch(): number {
    return this.#trust.epoch;
  }
  get refused(): number {
    return this.#trust.refused;
  }

  serves(digest: string): boolean {
    return [...this.#slots.values()].some(({ serving }) => serving?.digest === digest);
  }

  /** It serves the digest, and the control plane has acknowledged whatever it has to say about that. */
  hasReported(digest: string): boolean {
    return this.serves(digest) && this.outbox.state.records === 0;
  }

  start(): void {
    this.#link.start();
  }

  /** Called after each acknowledgement was taken in. */
  onAcknowledged(listener: () => void): void {
    this.#acknowledged = listener;
  }

  /** Its wall clock is set by so much. */
  jump(ms: number): void {
    this.#aheadMs += ms;
  }

  /** As when its network goes for a moment. */
  cut(): void {
    this.#link.cut();
  }

  async stop(): Promise<void> {
    this.recorder.stop();
    for (const slot of this.#slots.values()) slot.stop();
    await this.#session.goodbye().catch(() => undefined);
    await this.#link.stop();
  }

  #openStore(): RecordStore {
    const { identity, maxRecords, openStore } = this.#parts;
    const now = () => performance.now() / 1000;
    if (openStore) return openStore(identity, now, (...alarm) => queueMicrotask(() => this.#raise(...alarm)));
    const onDropped = ({ body }: { body: string }) => {
      const { computeCpuUs, memoryUsedBytes } = JSON.parse(body) as { computeCpuUs?: number; memoryUsedBytes?: number };
      this.ledger.dropped.push(computeCpuUs ?? memoryUsedBytes ?? 0);
    };
    return new MemoryStore({ maxRecords, now, random: this.#random, onDropped });
  }

  /** Not from within the outbox, which is busy: on the agent it is another thread. */
  #raise(...[name, message, closes]: Parameters<Parameters<OpenStore>[2]>): void {
    this.#alarms.raise({ name, message, closes });
  }

  #makeLink(device: DeviceId): MqttLink {
    const { identity, fleet, backoff, silenceMs, onChange } = this.#parts;
    return new MqttLink({
      url: fleet.mqttUrl,
      tenant: TenantId.parse(fleet.tenant),
      device,
      tls: () => ({ key: identity.key, cert: identity.cert, ca: fleet.ca }),
      will: () => this.#session.will(),
      handlers: {
        up: () => {
          this.connects++;
          this.#session.linkUp();
        },
        down: (reason) => {
          this.falls.push(reason);
          this.#session.linkDown();
          onChange?.(this);
        },
        message: (kind, payload) => this.air.down(kind, () => this.#heard(kind, payload)),
      },
      random: this.#random,
      ...(backoff && { backoff }),
      ...(silenceMs && { silenceMs }),
    });
  }

  #heard(kind: DownKind, payload: Buffer): void {
    this.#session.message(kind, payload);
    if (kind === 'desired') return;
    void this.#session.settled().then(() => {
      if (kind === 'ack') this.#acknowledged();
      this.#parts.onChange?.(this);
    });
  }

  #makeSession(heartbeatS: number): Session {
    return new Session({
      link: this.#link,
      outbox: this.outbox,
      trust: this.#trust,
      uplink: this.uplink,
      uptime: this.uptime,
      log,
      heartbeatS,
      random: this.#random,
      session: 0,
      saveSession: () => {},
      about: () => ({
        boot: this.boot,
        agent: '0.1.0',
        profile: 'generic-x64',
        hardwareClass,
        notes: [],
        slots: [...this.#slots.values()].map((slot) => slot.reported()),
      }),
      onServerTime: () => {},
      onDesired: (desired) => this.#obey(desired),
      onCommand: ({ nonce }) => this.recorder.reply(nonce),
      onAlarm: (alarm) => this.#alarms.raise(alarm),
    });
  }

  #obey({ slots, config }: DesiredState): void {
    for (const desired of slots) this.#slotNamed(desired.slot).want(desired);
    for (const [name, slot] of this.#slots) if (!slots.some((desired) => desired.slot === name)) slot.want(undefined);
    if (this.#parts.records) this.recorder.every(config.windowS);
    this.uplink.uploadEvery(config.uploadS);
    this.#session.heartbeatEvery(config.heartbeatS);
  }

  #slotNamed(name: SlotName): SimulatedSlot {
    const known = this.#slots.get(name);
    if (known) return known;
    const { pace, modelOf, seed } = this.#parts;
    const slot = new SimulatedSlot({
      name,
      pace,
      behaviourOf: (digest) => modelOf(digest).behaviour,
      report: (report) => this.recorder.update(name, report),
      now: () => performance.now() / 1000,
      log,
      seed: seed + this.#slots.size,
    });
    this.#slots.set(name, slot);
    return slot;
  }
}
