import { canonicalJson, type OutputsConfig, type SlotName } from '@flotilla/protocol/device';
import type { OutputKind, SettingsOf } from './output.js';
import { outputKinds } from './open.js';

/** One peer as it is configured: what describes it, and the slots that speak to it. */
export type Peer<K extends OutputKind = OutputKind> = {
  kind: K;
  /** Names it as long as its description stays the same. */
  key: string;
  slots: readonly { slot: SlotName; settings: SettingsOf<K> }[];
  /** Why it can't be begun. */
  conflict?: string | undefined;
};
type Configured = { slot: SlotName; outputs?: OutputsConfig | undefined };

/** Slots that describe the same peer share it, but for kinds that keep them apart. */
export function peersOf(slots: readonly Configured[]): Peer[] {
  const peers = new Map<string, Peer & { slots: { slot: SlotName; settings: SettingsOf<OutputKind> }[] }>();
  const taken = new Map<string, Peer>();
  for (const { slot, outputs = {} } of slots) {
    for (const [name, settings] of Object.entries(outputs)) {
      if (!settings) continue;
      const kind = name as OutputKind;
      const key = `${kind} ${isApart(kind) ? `${slot} ` : ''}${canonicalJson(describes(kind, settings))}`;
      const peer = peers.get(key) ?? { kind, key, slots: [], conflict: conflict(kind, settings, slot, taken) };
      peer.slots.push({ slot, settings });
      peers.set(key, peer);
      const exclusive = exclusiveOf(kind, settings);
      if (exclusive !== undefined && peer.conflict === undefined) taken.set(exclusive, peer);
    }
  }
  return [...peers.values()];
}

const isApart = (kind: OutputKind) => outputKinds[kind].apart ?? false;

const describes = (kind: OutputKind, settings: object) => {
  const own: readonly string[] = outputKinds[kind].slotKeys;
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !own.includes(key)));
};

const exclusiveOf = <K extends OutputKind>(kind: K, settings: SettingsOf<K>) => outputKinds[kind].exclusive(settings);

function conflict(kind: OutputKind, settings: SettingsOf<OutputKind>, slot: string, taken: ReadonlyMap<string, Peer>) {
  const exclusive = exclusiveOf(kind, settings);
  const other = exclusive === undefined ? undefined : taken.get(exclusive);
  if (!other) return undefined;
  const others = other.slots.map((its) => `"${its.slot}"`).join(', ');
  if (isApart(kind)) return `the slot "${slot}" has ${exclusive}, as ${others} has: each slot needs its own`;
  return `the slot "${slot}" has ${exclusive}, as ${others} ${other.slots.length > 1 ? 'have' : 'has'}, with other settings: they must be the same, or ${exclusive} another`;
}
