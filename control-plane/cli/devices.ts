import type { DeviceSlotView, DeviceView } from '@flotilla/protocol';
import { Command } from 'commander';
import { describeDeviceConfiguration } from './configuration-text.js';
import { importDevices } from './device-import.js';
import { approve, maintenance, remove, replace } from './device-life.js';
import { known } from './device-paths.js';
import { pin, unpin, why } from './device-slots.js';
import { example, facts, labelsText, print, table } from './output.js';
import { ApiError } from './client.js';
import type { FlotillaClient } from './flotilla-client.js';
import { clientFor, labelOf } from './settings.js';

export function devices(): Command {
  const noun = new Command('devices').description('Devices of the fleet');
  for (const verb of [list, show, label, importDevices, approve, maintenance, replace, remove]) noun.addCommand(verb());
  noun.addCommand(pin()).addCommand(unpin()).addCommand(why());
  return noun;
}

const list = () =>
  example(
    new Command('list')
      .description('All devices and what they run')
      .option('--selector <selector>', 'only those that match')
      .action(async ({ selector }: { selector?: string }, command: Command) => {
        const found = await clientFor(command).devices.list({ selector });
        print(command, found, (all) => table(all.map(row), 'no device; enrol one with a claim token: flotilla tokens create'));
      }),
    'flotilla devices list --selector site=lyon',
  );

const row = (device: DeviceView) => ({
  device: device.id,
  state: stateOf(device),
  profile: device.profile,
  runs: device.slots.map(runs).join(' ') || undefined,
  labels: labelsText(device.labels),
});
const stateOf = ({ status, online, maintenance: its }: DeviceView) => {
  if (status !== 'active') return status;
  return `${online ? 'online' : 'offline'}${its ? ', in maintenance' : ''}`;
};
const runs = ({ slot, reported, assignment }: DeviceSlotView) =>
  `${slot}: ${reported?.release ?? reported?.digest?.slice(0, 12) ?? 'nothing'} (${reported?.state ?? (assignment ? 'assigned' : 'idle')})`;

const show = () =>
  example(
    new Command('show')
      .description('One device')
      .argument('<device>')
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        const device = await find(client, id);
        const configuration = await client.devices.configuration(id);
        print(command, { ...device, configuration }, (all) =>
          [describe(all), describeDeviceConfiguration(all.configuration)].filter(Boolean).join('\n\n'),
        );
      }),
    'flotilla devices show lyon-1',
  );

const find = (client: FlotillaClient, id: string) => known(client, id, client.devices.show(id));

const describe = (device: DeviceView) =>
  [
    facts({
      device: device.id,
      status: device.status,
      online: device.online,
      'last seen': device.lastSeen,
      profile: device.profile,
      'hardware class': device.hardwareClass,
      agent: device.agent,
      labels: labelsText(device.labels),
      groups: device.groups.join(', '),
      maintenance: device.maintenance && maintenanceText(device.maintenance),
      epoch: `${device.epoch}${device.reportedEpoch === undefined ? '' : `, reported ${device.reportedEpoch}`}`,
      enrolled: device.enrolledAt,
      notes: device.notes.join('; '),
    }),
    table(
      device.slots.map(({ slot, assignment, reported }) => ({
        slot,
        assigned: assignment?.release,
        owner: assignment?.owner,
        state: reported?.state,
        runs: reported?.release ?? reported?.digest?.slice(0, 12),
        failure: reported?.failure,
        reason: reported?.reason,
      })),
      'no slot has an assignment or a report',
    ),
  ].join('\n\n');

const maintenanceText = ({ reason, since, until, actor }: NonNullable<DeviceView['maintenance']>) =>
  `${reason} (${actor}, since ${since}${until ? `, until ${until}` : ''})`;

const label = () =>
  example(
    new Command('label')
      .description('Set labels (key=value; `key=` removes one)')
      .argument('<device>')
      .argument('<labels...>')
      .action(async (id: string, pairs: string[], _options: unknown, command: Command) => {
        const client = clientFor(command);
        print(command, await relabelled(client, id, Object.fromEntries(pairs.map(labelOf))), describe);
      }),
    'flotilla devices label lyon-1 camera=upper',
  );

/** Somebody else may label it at the same time: then once more, upon what they made of it. */
async function relabelled(client: FlotillaClient, id: string, changed: DeviceView['labels'], tries = 5): Promise<DeviceView> {
  const { value, tag } = await known(client, id, client.devices.showTagged(id));
  const labels = Object.fromEntries(Object.entries({ ...value.labels, ...changed }).filter(([, text]) => text !== ''));
  try {
    return await client.devices.setLabels(id, { labels }, tag);
  } catch (error) {
    if (tries <= 1 || !(error instanceof ApiError && error.code === 'PRECONDITION_FAILED')) throw error;
    return relabelled(client, id, changed, tries - 1);
  }
}
