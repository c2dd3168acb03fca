import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DesiredState, type DesiredSlot, DeviceId, type DeviceId as Id, digestOf } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import type { TestControlPlane } from './control-plane.js';
import { deviceTls } from './credentials.js';
import { FakeDevice } from './fake-device.js';
import { aNewDevice } from './fleet.js';
import { anUpdate, aWindow } from './records.js';
import { until } from './until.js';

/** Gates count windows, not inferences alone. */
const inWindow = 10;

/** Devices on a real broker that commit at once whatever they are told to run, and infer as often as a test says. */
export class ObedientFleet {
  readonly #devices = new Map<Id, FakeDevice>();
  readonly #working: Promise<void>[] = [];
  #inferences = 0;
  #stopped = false;

  private constructor(private readonly controlPlane: TestControlPlane) {}

  static async join(
    controlPlane: TestControlPlane,
    labels: Readonly<Record<string, Record<string, string>>>,
  ): Promise<ObedientFleet> {
    const fleet = new ObedientFleet(controlPlane);
    for (const [name, own] of Object.entries(labels)) await fleet.#admit(name, own);
    return fleet;
  }

  /** From now on, each new deployment is seen to infer so often. */
  inferOnceCommitted(inferences: number): void {
    this.#inferences = inferences;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#working);
    for (const device of this.#devices.values()) await device.stop();
  }

  async #admit(name: string, labels: Record<string, string>): Promise<void> {
    const { app, urls } = this.controlPlane;
    const id = DeviceId.parse(name);
    const { key, cert, ca, serial } = await deviceTls(app.get(TrustService), name);
    const row = aNewDevice(name, { labels, certificateSerial: serial, hardwareClass: 'generic-x64/1.30.0' });
    await app.get(DataSource).transaction((tx) => app.get(DevicesService).enrol(tx, row));
    const device = new FakeDevice({ url: urls.mqtt, device: id, tls: { key, cert, ca } });
    this.#devices.set(id, device);
    await device.join();
    this.#working.push(this.#obey(device));
  }

  async #obey(device: FakeDevice): Promise<void> {
    for (let seen = 0; !this.#stopped;) {
      await until(() => this.#stopped || device.desired.length > seen, `${device.device} is told something`, 600_000);
      // What comes while it obeys is for the next round.
      seen = device.desired.length;
      if (!this.#stopped) await this.#take(device, stateIn(device.desired.at(-1)!));
    }
  }

  async #take(device: FakeDevice, { epoch, slots, config }: DesiredState): Promise<void> {
    const fresh = slots.filter(({ deployment }) => !device.slots.some((slot) => slot.deployment === deployment));
    const gone = device.slots.filter(({ slot }) => !slots.some((wanted) => wanted.slot === slot));
    device.epoch = epoch;
    device.desiredHash = digestOf({ slots, config });
    device.slots = slots.map(({ slot, deployment, manifestDigest: digest }) => ({
      slot,
      deployment,
      digest,
      committed: digest,
      state: 'committed',
    }));
    for (const slot of fresh) this.#report(device, slot);
    for (const { slot, deployment, digest } of gone)
      if (deployment && digest)
        device.keep('event', anUpdate(device.boot, { slot, deployment, digest, committed: undefined, state: 'idle' }));
    await device.send();
    await device.heartbeat();
  }

  #report(device: FakeDevice, { slot, deployment, manifestDigest: digest }: DesiredSlot): void {
    device.keep('event', anUpdate(device.boot, { slot, deployment, digest, committed: digest, state: 'committed' }));
    const [ok, computeCpuUs] = [inWindow, inWindow * 4000];
    const windows = Math.ceil(this.#inferences / inWindow);
    for (let i = 0; i < windows; i++)
      device.keep('telemetry', aWindow(device.boot, { slot, deployment, digest, ok, computeCpuUs, start: 80 + i, end: 81 + i }));
  }
}

/** Whose signature it carries is another test's business. */
const stateIn = (jws: string) => DesiredState.parse(JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString()));
