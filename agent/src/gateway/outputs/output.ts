import type { OutputsConfig } from '@flotilla/protocol/device';
import type { Logger } from '../../log.js';
import type { SlotPort } from './slot-port.js';

export type OutputKind = keyof OutputsConfig;
export type SettingsOf<K extends OutputKind> = NonNullable<OutputsConfig[K]>;

/** `waiting`: for a peer that is not there. `failed`: it can't work as it is configured; it may still be tried again. */
export type OutputStatus = {
  state: 'starting' | 'running' | 'waiting' | 'failed';
  /** Why it is not running. */
  reason?: string | undefined;
  /** Of those that promise no loss: values that the peer has taken, that wait for it, and that were given up. */
  sent?: number;
  queued?: number;
  dropped?: number;
  /** Of servers: clients at present. */
  clients?: number;
};

/** One peer in a factory system's protocol: a connection to a broker, a server on a port. */
export interface Output<K extends OutputKind = OutputKind> {
  readonly status: OutputStatus;
  /** Never waits for a peer, and never throws because of one. */
  start(): void;
  /** For one that stays while slots come and go; the others are begun anew. Throws where it can't have them. */
  serve?(slots: readonly OutputSlot<K>[]): void;
  /** Says goodbye where the protocol has one, within two seconds. */
  stop(why?: StopReason): Promise<void>;
}
/** `removed`: it is not configured any more, or differently. `shutdown`: the gateway ends, and may begin again. */
export type StopReason = 'removed' | 'shutdown';

/** A slot that speaks to the peer, with its own settings. */
export type OutputSlot<K extends OutputKind> = { port: SlotPort; settings: SettingsOf<K> };
export type OutputParts<K extends OutputKind> = {
  /** Of the first of its slots; what concerns the peer is the same for all. */
  settings: SettingsOf<K>;
  slots: readonly OutputSlot<K>[];
  /** Name of this device. */
  device: string;
  /** For what it keeps over restarts (certificates, birth numbers): it makes it, 0700, when it needs it. */
  folder: string;
  log: Logger;
};
export type OpenOutput<K extends OutputKind> = (parts: OutputParts<K>) => Output;
