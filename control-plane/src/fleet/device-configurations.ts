import {
  type ConfigurationEvent,
  type DeviceConfigurationView,
  type DeviceId,
  digestOf,
  type SlotName,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { inWords } from '../core/configuration.js';
import type { ConfigurationReportRow } from './configuration.entity.js';
import { ConfigurationsRepository } from './configurations.repository.js';
import { DeviceConfigs, gatewayOf } from './device-configs.js';
import { DevicesRepository } from './devices.repository.js';

/** Of one device: what it is sent, from where that comes, and what it makes of it. */
@Injectable()
export class DeviceConfigurations {
  constructor(
    @Inject(ConfigurationsRepository) private readonly configurations: ConfigurationsRepository,
    @Inject(DeviceConfigs) private readonly configs: DeviceConfigs,
    @Inject(DevicesRepository) private readonly devices: DevicesRepository,
  ) {}

  async of(id: DeviceId): Promise<DeviceConfigurationView> {
    const row = await this.devices.byId(id);
    const effective = (await this.configurations.transaction((tx) => this.configs.effective(tx, [row]))).get(id)!;
    const gateway = gatewayOf(effective);
    const report = await this.configurations.reportOf(id);
    return {
      device: id,
      state: stateOf(gateway, report),
      epoch: row.epoch,
      sections: effective.sections.map(({ slot, section, value, from: { scope, name, version } }) => ({
        slot: slot as SlotName,
        section,
        value,
        from: { scope, name, version },
      })),
      conflicts: effective.conflicts.map(inWords),
      ...(gateway?.withheld !== undefined && { withheld: gateway.withheld }),
      ...(report && { reported: reportView(report) }),
    };
  }

  /** In the order in which devices told them; gives those that say something new, as each start says it again. */
  async record(
    tx: EntityManager,
    reports: readonly { device: DeviceId; event: ConfigurationEvent }[],
  ): Promise<ReadonlySet<ConfigurationEvent>> {
    const news = new Set<ConfigurationEvent>();
    for (const { device, event } of reports) if (await this.configurations.saveReport(tx, device, event)) news.add(event);
    return news;
  }
}

function stateOf(gateway: ReturnType<typeof gatewayOf>, report: ConfigurationReportRow | null): DeviceConfigurationView['state'] {
  const sent = gateway === undefined ? null : digestOf(gateway);
  if (sent !== (report?.digest ?? null)) return 'pending';
  if (report && report.refused.length > 0) return 'refused';
  return sent === null ? 'none' : 'applied';
}

const reportView = ({ epoch, digest, slots, refused, at }: ConfigurationReportRow) =>
  ({ epoch, ...(digest !== null && { digest }), slots, refused, at: at.toISOString() }) as NonNullable<
    DeviceConfigurationView['reported']
  >;
