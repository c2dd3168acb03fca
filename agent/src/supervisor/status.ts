import type { SlotName } from '@flotilla/protocol/device';
import type { AgentConfig } from '../config.js';
import { effectiveConfiguration } from './gateway-configuration.js';
import { acceptedFile, deviceOf } from './gateway-slots.js';
import { outputLines } from './output-lines.js';
import { isLocked } from './data-lock.js';
import { mapTable } from '../modbus-map.js';
import { loadIdentity, validity } from './identity.js';
import { readIfThere } from './durable-file.js';
import { join } from 'node:path';
import { z } from 'zod';

const Journal = z.object({
  state: z.object({ committed: z.object({ release: z.string() }).optional(), update: z.object({ state: z.string() }) }),
});

/** What the data folder and the gateway say; an agent that runs on it is not disturbed. */
export async function printStatus(config: AgentConfig): Promise<void> {
  const identity = loadIdentity(config.data);
  const lines: [string, string][] = [
    ['data', config.data],
    ['running', isLocked(config.data) ? 'yes' : 'no'],
    ['enrolled', identity ? `as ${identity.device} at ${identity.deviceApiUrl}` : 'no'],
    ...(identity
      ? [['certificate', `until ${new Date(validity(identity.certificate).to).toISOString()}`] as [string, string]]
      : []),
    ...Object.entries(config.slots).map(
      ([name, slot]) => [`slot ${name}`, `${addressOf(slot)}, ${slotLine(config.data, name)}`] as [string, string],
    ),
    ...configurationLines(config),
    // One that others reach asks who they are; this command has nothing to show it.
    ...(config.gateway?.expose ? [] : await outputLines(config.gateway?.listen.http)),
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  for (const [label, value] of lines) console.log(`${label.padEnd(width)}  ${value}`);
}

/** Of the slots that have one. */
export function printModbusMap(config: AgentConfig, format: 'csv' | 'markdown'): void {
  const { slots } = effectiveConfiguration(join(config.data, acceptedFile), deviceOf(config), silent);
  const served = Object.entries(slots).flatMap(([slot, { outputs }]) =>
    outputs?.modbus ? [[slot, outputs.modbus] as const] : [],
  );
  if (served.length === 0) console.error('no slot has a modbus output; give one "outputs: { modbus: { port: 1502 } }"');
  else console.log(mapTable(Object.fromEntries(served), format));
}

/** Of each slot, what the gateway is to do and who says so. */
function configurationLines(config: AgentConfig): [string, string][] {
  const { slots, refused } = effectiveConfiguration(join(config.data, acceptedFile), deviceOf(config), silent);
  const sections = Object.entries(slots).flatMap(([slot, { from, ...pipeline }]) =>
    Object.entries(pipeline).map(([section, value]): [string, string] => [
      `${slot} ${section}`,
      `${JSON.stringify(value)}, from ${from[section as keyof typeof from]}`,
    ]),
  );
  return [
    ...sections,
    ...refused.map(({ slot, reason }): [string, string] => ['refused', slot === undefined ? reason : `${slot}: ${reason}`]),
  ];
}
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Each slot has its own: a client asks the one that it means, without a hop between. */
function addressOf({ listen, expose }: AgentConfig['slots'][SlotName]): string {
  const at = ({ host, port }: { host: string; port: number }) =>
    `${host.includes(':') ? `[${host}]` : host}:${port === 0 ? '(a free port)' : port}`;
  const { http, grpc, unix } = listen;
  return [
    ...(http ? [`${expose ? 'https' : 'http'}://${at(http)}`] : []),
    ...(grpc ? [`grpc ${at(grpc)}`] : []),
    ...(unix === undefined ? [] : [`unix:${unix}`]),
  ].join(', ');
}

function slotLine(data: string, name: string): string {
  const text = readIfThere(join(data, 'journal', `${name}.json`));
  const journal = Journal.safeParse(text === undefined ? undefined : JSON.parse(text));
  if (!journal.success) return 'nothing yet';
  const { committed, update } = journal.data.state;
  return `${committed?.release ?? 'no release'} committed, update ${update.state}`;
}
