import { type DeviceView, Duration } from '@flotilla/protocol';
import { Command } from 'commander';
import { known } from './device-paths.js';
import { example, print } from './output.js';
import { clientFor, UsageError } from './settings.js';

export const approve = () =>
  example(
    new Command('approve')
      .description('Let in a device that waits for approval')
      .argument('<device>')
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        const device = await known(client, id, client.devices.approve(id));
        print(command, device, () => `${id} is approved`);
      }),
    'flotilla devices approve lyon-7',
  );

type MaintenanceOptions = { reason?: string; until?: string };

export const maintenance = () =>
  example(
    new Command('maintenance')
      .description('Somebody is at the device: rollouts pass it by, and its silence is no alarm')
      .argument('<on|off>')
      .argument('<devices...>')
      .option('--reason <reason>', 'why (with "on")')
      .option('--until <time>', 'when it ends by itself: a time, or 90m, 4h, 2d from now')
      .action(async (word: string, ids: string[], options: MaintenanceOptions, command: Command) => {
        const change = word === 'on' ? begin(options) : word === 'off' ? end : undefined;
        if (!change) throw new UsageError(`maintenance is "on" or "off", not "${word}"`);
        const devices: DeviceView[] = [];
        for (const id of ids) devices.push(await change(command, id));
        print(command, devices, (all) => all.map(inWords).join('\n'));
      }),
    'flotilla devices maintenance on turin-1 --reason "new lamp" --until 4h',
    'flotilla devices maintenance off turin-1',
  );

function begin({ reason, until }: MaintenanceOptions) {
  if (reason === undefined) throw new UsageError('maintenance needs a --reason');
  const body = { reason, ...(until === undefined ? {} : { until: timeOf(until) }) };
  return (command: Command, id: string) => {
    const client = clientFor(command);
    return known(client, id, client.devices.beginMaintenance(id, body));
  };
}

function end(command: Command, id: string): Promise<DeviceView> {
  const client = clientFor(command);
  return known(client, id, client.devices.endMaintenance(id));
}

/** A time of its own, or so long from now. */
function timeOf(text: string): string {
  const duration = Duration.safeParse(text);
  const at = duration.success ? Date.now() + duration.data * 1000 : Date.parse(text);
  if (Number.isNaN(at)) throw new UsageError(`"${text}" is no time: write 2026-12-24T18:00:00Z, or 4h`);
  return new Date(at).toISOString();
}

const inWords = ({ id, maintenance: its }: DeviceView) =>
  its ? `${id} is in maintenance${its.until ? ` until ${its.until}` : ''}: ${its.reason}` : `${id} is not in maintenance`;

export const remove = () =>
  example(
    new Command('remove')
      .description('Remove a device: its certificate is revoked, its session dropped, its key never let in again')
      .argument('<device>')
      .option('--purge', 'delete what it has sent, too')
      .action(async (id: string, { purge = false }: { purge?: boolean }, command: Command) => {
        const client = clientFor(command);
        await known(client, id, client.devices.remove(id, { purge: `${purge}` }));
        print(
          command,
          { removed: id, purged: purge },
          () => `${id} is removed; its certificate is revoked${purge ? ', what it sent is deleted' : ''}`,
        );
      }),
    'flotilla devices remove turin-3 --purge',
  );

export const replace = () =>
  example(
    new Command('replace')
      .description('A claim token with which a new board takes over a device: name, labels, assignments and history stay')
      .argument('<device>')
      .action(async (id: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        print(command, await known(client, id, client.claimTokens.replace(id)), (t) => t.token);
      }),
    'flotilla devices replace turin-2',
  );
