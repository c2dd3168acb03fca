import { GroupView } from '@flotilla/protocol';
import { Command } from 'commander';
import { calendar } from './calendars.js';
import { example, facts, print, table } from './output.js';
import type { ApiClient } from './client.js';
import { suggesting } from './near-names.js';
import { clientFor, UsageError } from './settings.js';

export function groups(): Command {
  const noun = new Command('groups').description('Groups of devices: static, or by selector');
  noun.addCommand(list()).addCommand(show()).addCommand(create()).addCommand(calendar()).addCommand(remove());
  return noun;
}

const kindOf = ({ selector }: GroupView) => selector ?? 'static';

const list = () =>
  example(
    new Command('list').description('All groups').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).list('/api/v1/groups', GroupView);
      print(command, found, (all) =>
        table(
          all.map((g) => ({ group: g.name, selector: kindOf(g), members: g.members.length })),
          'no group',
        ),
      );
    }),
    'flotilla groups list',
  );

const show = () =>
  example(
    new Command('show')
      .description('One group and its members')
      .argument('<group>')
      .action(async (name: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        print(command, await known(client, name, client.get(pathOf(name), GroupView)), describe);
      }),
    'flotilla groups show lyon',
  );

const pathOf = (name: string) => `/api/v1/groups/${encodeURIComponent(name)}`;

/** Of a group that is not there, its likely names. */
const known = <T>(client: ApiClient, name: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, name, {
    code: 'GROUP_NOT_FOUND',
    names: async () => (await client.list('/api/v1/groups', GroupView)).map((group) => group.name),
  });

const describe = (group: GroupView) =>
  facts({ group: group.name, selector: kindOf(group), members: group.members.join(', ') || 'none' });

const create = () =>
  example(
    new Command('create')
      .description('Create a group')
      .argument('<group>')
      .option('--selector <selector>', 'members are whoever matches')
      .option('--devices <ids>', 'members are these, separated by commas')
      .action(async (name: string, { selector, devices }: { selector?: string; devices?: string }, command: Command) => {
        if ((selector === undefined) === (devices === undefined))
          throw new UsageError('a group needs exactly one of --selector and --devices');
        const members = devices === undefined ? { selector } : { devices: devices.split(',').filter(Boolean) };
        print(command, await clientFor(command).post('/api/v1/groups', { name, ...members }, GroupView), describe);
      }),
    'flotilla groups create upper-cameras --selector "site in (lyon,turin),camera=upper"',
  );

const remove = () =>
  example(
    new Command('remove')
      .description('Remove a group (not its devices)')
      .argument('<group>')
      .action(async (name: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        await known(client, name, client.delete(pathOf(name)));
        print(command, { removed: name }, () => `group ${name} is removed`);
      }),
    'flotilla groups remove turin',
  );
