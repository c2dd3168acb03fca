import type { OpenOutput, Output, OutputKind, OutputParts, SettingsOf } from './output.js';

type Kind<K extends OutputKind> = {
  /** What each slot says for itself; the rest describes the peer, which slots with the same description share. */
  slotKeys: readonly (keyof SettingsOf<K>)[];
  /** What only one peer of this device may have: two that differ and have the same are a mistake. */
  exclusive: (settings: SettingsOf<K>) => string | undefined;
  /** Names what it keeps over restarts, where other settings may change and it shall stay; the whole description, where it is not said. */
  keptAs?: (settings: SettingsOf<K>) => string;
  load: () => Promise<OpenOutput<K>>;
};

/** What only one output needs is loaded with it. */
export const outputKinds: { [K in OutputKind]?: Kind<K> } = {
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
};

export async function openOutput<K extends OutputKind>(kind: K, parts: OutputParts<K>): Promise<Output> {
  const known = outputKinds[kind];
  if (!known) throw new Error(`this agent does not know the output "${kind}"`);
  return (await known.load())(parts);
}

/** Undefined where the whole description names it. */
export const keptAs = <K extends OutputKind>(kind: K, settings: SettingsOf<K>): string | undefined =>
  outputKinds[kind]?.keptAs?.(settings);
