import { type DeviceConfig, type DeviceId, type GatewayDocument, jsonBytes, maxGatewayBytes } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BlocksService } from '../blocks/blocks.service.js';
import type { ControlPlaneConfig } from '../config.js';
import { type Effective, effectiveOf, type Layer, slotsOf } from '../core/configuration.js';
import { CONFIG } from '../platform/tokens.js';
import type { ConfigurationRow } from './configuration.entity.js';
import { ConfigurationsRepository } from './configurations.repository.js';
import type { DeviceRow } from './device.entity.js';

/** What devices are told besides their releases: the settings of all, and what configurations say of each. */
@Injectable()
export class DeviceConfigs {
  constructor(
    @Inject(ConfigurationsRepository) private readonly configurations: ConfigurationsRepository,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'device'>,
    @Inject(BlocksService) private readonly blocks: BlocksService,
  ) {}

  /** `config` of each desired state. Without a configuration it is as it always was. */
  async of(tx: EntityManager, devices: readonly Pick<DeviceRow, 'id'>[]): Promise<Map<DeviceId, DeviceConfig>> {
    const effective = await this.effective(tx, devices);
    const ids = devices.map(({ id }) => id);
    const blocked = await this.blocks.of(tx, ids);
    return new Map(ids.map((id) => [id, this.configOf(gatewayOf(effective.get(id)!), blocked.get(id))]));
  }

  private configOf(gateway: GatewayDocument | undefined, blocked: DeviceConfig['blocked']): DeviceConfig {
    return { ...this.config.device, ...(gateway && { gateway }), ...(blocked && { blocked }) };
  }

  /** Of each device what configurations say; a few queries, however many devices. */
  async effective(tx: EntityManager, devices: readonly Pick<DeviceRow, 'id'>[]): Promise<Map<DeviceId, Effective>> {
    const rows = await this.configurations.inForce(
      tx,
      devices.map(({ id }) => id),
    );
    const groups = await this.groups(tx, rows, devices);
    return new Map(
      devices.map((device) => [device.id, effectiveOf(rows.filter((row) => reaches(row, device, groups)).map(layerOf))]),
    );
  }

  /** Members of each group that has a configuration, among these devices. */
  private async groups(
    tx: EntityManager,
    rows: readonly ConfigurationRow[],
    devices: readonly Pick<DeviceRow, 'id'>[],
  ): Promise<ReadonlyMap<string, ReadonlySet<DeviceId>>> {
    const names = rows.flatMap(({ scope, name }) => (scope === 'group' ? name : []));
    if (names.length === 0) return new Map();
    const ids = devices.map(({ id }) => id);
    const members = Map.groupBy(await this.configurations.members(tx, names, ids), ({ group }) => group);
    return new Map([...members].map(([name, list]) => [name, new Set(list.map(({ device }) => device))]));
  }
}

/** Undefined: there is nothing to say. What is too large for a message is held back as a whole, and the device told so. */
export function gatewayOf(effective: Effective): GatewayDocument | undefined {
  if (effective.sections.length === 0) return undefined;
  const slots = slotsOf(effective);
  const bytes = jsonBytes(slots);
  if (bytes <= maxGatewayBytes) return { v: 1, slots };
  return { v: 1, slots: {}, withheld: `its configurations are ${bytes} bytes together; at most ${maxGatewayBytes} are sent` };
}

const layerOf = ({ scope, name, version, priority, slots }: ConfigurationRow): Layer => ({
  scope,
  name,
  version,
  priority,
  slots,
});

const reaches = (
  { scope, name }: ConfigurationRow,
  { id }: Pick<DeviceRow, 'id'>,
  groups: ReadonlyMap<string, ReadonlySet<DeviceId>>,
) => (scope === 'device' ? name === id : (groups.get(name)?.has(id) ?? false));
