import { DeviceConfigurationView, type DeviceSlotView, DeviceView, TokenView } from '@flotilla/protocol';
import { Command } from 'commander';
import { describeDeviceConfiguration } from './configuration-text.js';
import { pin, unpin, why } from './device-slots.js';
import { example, facts, labelsText, print, table } from './output.js';
import { suggesting } from './near-names.js';
import { ApiError, type ApiClient } from './client.js';
import { clientFor, labelOf } from './settings.js';

export function devices(): Command {
  const noun = new Command('devices').description('Devices of the fleet');
  noun.addCommand(list()).addCommand(show()).addCommand(label()).addCommand(remove()).addCommand(replace());
  noun.addCommand(pin()).addCommand(unpin()).addCommand(why());
  return noun;
}

const list = () =>
  example(
    new Command('list')
      .description('All devices and what they run')
      .option('--selector <selector>', 'only those that match')
      .action(async ({ selector }: { selector?: string }, command: Command) => {
        const query = selector === undefined ? '' : `?${new URLSearchParams({ selector }).toString()}`;
        const found = await clientFor(command).list(`/api/v1/devices${query}`, DeviceView);
        print(command, found, (all) => table(all.map(row), 'no device; enrol one with a claim token: flotilla tokens create'));
      }),
    'flotilla devices list --selector site=lyon',
  );

const row = (device: DeviceView) => ({
  device: device.id,
  state: device.status === 'revoked' ? 'revoked' : device.online ? 'online' : 'offline',
  profile: device.profile,
  runs: device.slots.map(runs).join(' ') || undefined,
  labels: labelsText(device.labels),
});
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
        const configuration = await client.get(`${pathOf(id)}/configuration`, DeviceConfigurationView);
        print(command, { ...device, configuration }, (all) =>
          [describe(all), describeDeviceConfiguration(all.configuration)].filter(Boolean).join('\n\n'),
        );
      }),
    'flotilla devices show lyon-1',
  );

const pathOf = (id: string) => `/api/v1/devices/${encodeURIComponent(id)}`;
const find = (client: ApiClient, id: string) => known(client, id, client.get(pathOf(id), DeviceView));

/** Of a device that is not there, its likely names. */
const known = <T>(client: ApiClient, id: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, id, {
    code: 'DEVICE_NOT_FOUND',
    names: async () => (await client.list('/api/v1/devices', DeviceView)).map((device) => device.id),
  });

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
async function relabelled(client: ApiClient, id: string, changed: DeviceView['labels'], tries = 5): Promise<DeviceView> {
  const { value, tag } = await known(client, id, client.getTagged(pathOf(id), DeviceView));
  const labels = Object.fromEntries(Object.entries({ ...value.labels, ...changed }).filter(([, text]) => text !== ''));
  try {
    return await client.put(`${pathOf(id)}/labels`, { labels }, DeviceView, tag);
  } catch (error) {
    if (tries <= 1 || !(error instanceof ApiError && error.code === 'PRECONDITION_FAILED')) throw error;
    return relabelled(client, id, changed, tries - 1);
  }
}

const remove = () =>
  example(
    new Command('remove')
      .description('Remove a device: its certificate is revoked, its session dropped')
      .argument('<device>')
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        await known(client, id, client.delete(pathOf(id)));
        print(command, { removed: id }, () => `${id} is removed; its certificate is revoked`);
      }),
    'flotilla devices remove turin-3',
  );

const replace = () =>
  example(
    new Command('replace')
      .description('A claim token with which a new board takes over a device: name, labels and history stay')
      .argument('<device>')
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        print(command, await known(client, id, client.post(`${pathOf(id)}/replacement`, {}, TokenView)), (t) => t.token);
      }),
    'flotilla devices replace turin-2',
  );
