import type { OpenOutput, Output, OutputKind, OutputParts, SettingsOf } from './output.js';

type Kind<K extends OutputKind> = {
  /** What each slot says for itself; the rest describes the peer, which slots with the same description share. */
  slotKeys: readonly (keyof SettingsOf<K>)[];
  /** Each slot has a peer of its own, whatever others say: what one sends or waits for is no matter of another. */
  apart?: boolean;
  /** What only one peer of this device may have: two that differ and have the same are a mistake. */
  exclusive: (settings: SettingsOf<K>) => string | undefined;
  /** Names what it keeps over restarts, where other settings may change and it shall stay; the whole description, where it is not said. */
  keptAs?: (settings: SettingsOf<K>) => string;
  load: () => Promise<OpenOutput<K>>;
};

/** What only one output needs is loaded with it. */
export const outputKinds: { [K in OutputKind]: Kind<K> } = {
  mqtt: {
    apart: true,
    slotKeys: [],
    exclusive: ({ url, topic }) => (topic.includes('{slot}') ? undefined : `the topic ${topic} at ${url}`),
    load: async () => (await import('./mqtt/output.js')).openMqtt,
  },
  webhook: {
    apart: true,
    slotKeys: [],
    exclusive: () => undefined,
    load: async () => (await import('./webhook/output.js')).openWebhook,
  },
  modbus: {
    slotKeys: ['unit', 'base', 'wordOrder', 'labelChars', 'values', 'trigger'],
    exclusive: ({ port }) => `port ${port}`,
    load: async () => (await import('./modbus/modbus.js')).openModbus,
  },
  opcua: {
    slotKeys: ['historyCount', 'severities'],
    exclusive: ({ port }) => `port ${port}`,
    // Clients trust the server's certificate, and it theirs, whatever users there are.
    keptAs: ({ port }) => String(port),
    load: async () => (await import('./opcua/opcua.js')).openOpcUa,
  },
  sparkplug: {
    slotKeys: ['device'],
    exclusive: ({ group, node, url }) =>
      `the edge node ${node === undefined ? 'of this device' : `"${node}"`} in "${group}" at ${url}`,
    load: async () => (await import('./sparkplug/sparkplug.js')).openSparkplug,
  },
};

export async function openOutput<K extends OutputKind>(kind: K, parts: OutputParts<K>): Promise<Output> {
  const open = await outputKinds[kind].load();
  return open(parts);
}

/** Undefined where the whole description names it. */
export const keptAs = <K extends OutputKind>(kind: K, settings: SettingsOf<K>): string | undefined =>
  outputKinds[kind].keptAs?.(settings);
