import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { LinkModule } from '@flotilla/control-plane/link/link.module';
import { MqttLink } from '@flotilla/control-plane/link/mqtt-client';
import { Artifacts } from '@flotilla/control-plane/platform/artifacts';
import { Counters } from '@flotilla/control-plane/platform/counters';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { PlatformModule } from '@flotilla/control-plane/platform/platform.module';
import { TrustModule } from '@flotilla/control-plane/trust/trust.module';
import { DeviceId } from '@flotilla/protocol';
import type { DataSource } from 'typeorm';
import type { TestBroker } from './broker.js';
import { deviceTls } from './credentials.js';
import { FakeDevice, type FakeDeviceOptions } from './fake-device.js';
import { until } from './until.js';

@Module({})
class RigModule {}

/** The control plane's side of the link on a real broker and database: no HTTP, no device API. */
export class LinkRig {
  readonly #devices: FakeDevice[] = [];

  private constructor(
    private readonly app: INestApplicationContext,
    private readonly broker: TestBroker,
    readonly db: DataSource,
    readonly link: MqttLink,
  ) {}

  static async start(db: DataSource, broker: TestBroker, settings: { heartbeatS?: number } = {}): Promise<LinkRig> {
    const log = createLogger('fatal');
    const config = ControlPlaneConfig.parse({ dataDir: broker.dir, device: { heartbeatS: 60, ...settings } });
    const { url, kind } = broker.broker;
    const link = new MqttLink({ url, kind, tls: () => broker.trust.controlPlaneTls(), log });
    const imports = [
      PlatformModule.forRoot({ config, db, artifacts: new Artifacts(broker.dir), log }),
      TrustModule.forRoot(broker.trust),
      LinkModule.forRoot({ link, broker: broker.broker }),
    ];
    const app = await NestFactory.createApplicationContext({ module: RigModule, imports }, { logger: false });
    await until(() => link.connected, 'the control plane is connected to the broker');
    return new LinkRig(app, broker, db, link);
  }

  get = <T>(token: abstract new (...args: never[]) => T): T => this.app.get(token);
  counter = (name: string): number => this.get(Counters).snapshot()[name] ?? 0;
  untilCounted = (name: string, least: number) =>
    until(() => this.counter(name) >= least, `${name} reaches ${least} (it is ${this.counter(name)})`);

  /** Enrolled, with a certificate of its own; not connected yet. */
  async enrol(name: string, more: Partial<FakeDeviceOptions> = {}): Promise<FakeDevice> {
    const id = DeviceId.parse(name);
    const tls = await deviceTls(this.broker.trust, id);
    const enrolled = {
      id,
      profile: 'generic-x64',
      hardwareClass: 'generic-x64/1.30.0',
      labels: {},
      keyThumbprint: Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('base64url'),
      certificateSerial: tls.serial,
      certificateExpiresAt: new Date('2030-01-01'),
    };
    await this.db.transaction((tx) => this.get(DevicesService).enrol(tx, enrolled));
    const { key, cert, ca } = tls;
    const device = new FakeDevice({ url: this.broker.broker.publicUrl, device: id, tls: { key, cert, ca }, ...more });
    this.#devices.push(device);
    return device;
  }

  /** Enrolled, connected, born and welcomed. */
  async join(name: string, more: Partial<FakeDeviceOptions> = {}): Promise<FakeDevice> {
    const device = await this.enrol(name, more);
    await device.join();
    return device;
  }

  async stop(): Promise<void> {
    for (const device of this.#devices) await device.stop();
    await this.app.close();
  }
}
