import type { DirectorKey } from '@flotilla/protocol';

/** What makes one simulated device that device. */
export interface DeviceIdentity {
  readonly device: string;
  readonly cert: string;
  readonly key: string;
  readonly keyThumbprint: string;
}
/** Where the fleet belongs. Plain values: they travel between processes. */
export interface FleetIdentity {
  readonly mqttUrl: string;
  readonly tenant: string;
  readonly ca: string;
  readonly directorKey: DirectorKey;
  readonly devices: readonly DeviceIdentity[];
}
