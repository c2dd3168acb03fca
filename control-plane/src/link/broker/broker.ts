import type { DeviceId } from '@flotilla/protocol';
import type { ControlPlaneConfig } from '../../config.js';
import type { TrustService } from '../../trust/trust.service.js';
import type { BrokerLimits } from './embedded-broker.js';

/** The broker that devices and control plane meet at: the embedded one, or an operator's Mosquitto. */
export interface Broker {
  kind: 'embedded' | 'external';
  /** Where the control plane connects. */
  url: string;
  /** Where devices connect. */
  publicUrl: string;
  /** User name and password, where the broker does not take the control plane's certificate for its name. */
  credentials?: { username: string; password: string };
  /** Lets an enrolled device use its own topics. */
  admit(device: DeviceId): Promise<void>;
  /** Ends what the device has open, and what `admit` allowed. */
  dropSession(device: DeviceId): Promise<void>;
  onRestart(listener: () => void): void;
  stop(): Promise<void>;
}

export interface BrokerParts {
  config: Pick<ControlPlaneConfig, 'mqtt'>;
  trust: TrustService;
  log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  counters?: { count(name: string, by?: number): void };
  limits?: BrokerLimits;
}
