import type { GroupPreview, GroupView } from '@flotilla/protocol';
import { Command } from 'commander';
import { calendar } from './calendars.js';
import { example, facts, print, table } from './output.js';
import type { FlotillaClient } from './flotilla-client.js';
import { suggesting } from './near-names.js';
import { clientFor, UsageError } from './settings.js';

export function groups(): Command {
  const noun = new Command('groups').description('Groups of devices: static, or by selector');
  for (const verb of [list, show, preview, create, change, calendar, remove]) noun.addCommand(verb());
  return noun;
}

const kindOf = ({ selector }: GroupView) => selector ?? 'static';

const list = () =>
  example(
    new Command('list').description('All groups').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).groups.list();
      print(command, found, (all) =>
        table(
          all.map((g) => ({ group: g.name, selector: kindOf(g), members: g.size })),
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
        print(command, await known(client, name, client.groups.show(name)), describe);
      }),
    'flotilla groups show lyon',
  );

/** Of a group that is not there, its likely names. */
const known = <T>(client: FlotillaClient, name: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, name, {
    code: 'GROUP_NOT_FOUND',
    names: async () => (await client.groups.list()).map((group) => group.name),
  });

const describe = (group: GroupView) =>
  facts({ group: group.name, selector: kindOf(group), members: membersText(group), 'reported facts': group.facts.join(', ') });

const someText = ({ size, members }: { size: number; members: readonly string[] }) =>
  size === 0 ? 'none' : `${members.join(', ')}${size > members.length ? ` and ${size - members.length} more` : ''}`;
/** The answer names a hundred. */
const membersText = (group: GroupView) =>
  `${someText(group)}${group.size > group.members.length ? `: flotilla devices list --selector group=${group.name}` : ''}`;

const preview = () =>
  example(
    new Command('preview')
      .description('Who would be in a group with this selector; nothing is written')
      .argument('<selector>')
      .option('--group <group>', 'compare to this group: who would join, who would leave')
      .action(async (selector: string, { group }: { group?: string }, command: Command) => {
        const client = clientFor(command);
        const body = { selector, ...(group === undefined ? {} : { group }) };
        const answer = client.groups.preview(body);
        print(command, await (group === undefined ? answer : known(client, group, answer)), describePreview);
      }),
    'flotilla groups preview "site=lyon,agent>=0.1" --group lyon',
  );

const describePreview = ({ joining, leaving, facts: reported, ...all }: GroupPreview) =>
  facts({
    devices: all.size,
    members: someText(all),
    joining: joining && someText(joining),
    leaving: leaving && someText(leaving),
    'reported facts': reported.join(', '),
  });

const names = (text: string) => text.split(',').filter(Boolean);

const create = () =>
  example(
    new Command('create')
      .description('Create a group')
      .argument('<group>')
      .option('--selector <selector>', 'members are whoever matches')
      .option('--devices <ids>', 'members are these, separated by commas')
      .action(async (name: string, { selector, devices }: { selector?: string; devices?: string }, command: Command) => {
        const members = devices === undefined ? selector !== undefined && { selector } : { devices: names(devices) };
        if (!members || (selector !== undefined && devices !== undefined))
          throw new UsageError('a group needs exactly one of --selector and --devices');
        print(command, await clientFor(command).groups.create({ name, ...members }), describe);
      }),
    'flotilla groups create upper-cameras --selector "site in (lyon,turin),camera=upper"',
  );

type Change = { selector?: string; devices?: string; add?: string; remove?: string };

const change = () =>
  example(
    new Command('change')
      .description('Give a group another selector, or other devices')
      .argument('<group>')
      .option('--selector <selector>', 'of a group with a selector: the new one')
      .option('--devices <ids>', 'of a list: all its devices, separated by commas')
      .option('--add <ids>', 'of a list: more devices')
      .option('--remove <ids>', 'of a list: devices that leave it')
      .action(async (name: string, options: Change, command: Command) => {
        const client = clientFor(command);
        const changed = changeOf(options);
        const { tag } = await known(client, name, client.groups.showTagged(name));
        print(command, await known(client, name, client.groups.change(name, changed, tag)), describe);
      }),
    'flotilla groups change upper-cameras --selector "group=lyon,camera=upper"',
  );

function changeOf({ selector, devices, add, remove: gone }: Change) {
  const given = [selector, devices, add ?? gone].filter((option) => option !== undefined);
  if (given.length !== 1) throw new UsageError('give one of --selector, --devices, and --add and --remove');
  if (selector !== undefined) return { selector };
  if (devices !== undefined) return { devices: names(devices) };
  return { add: names(add ?? ''), remove: names(gone ?? '') };
}

const remove = () =>
  example(
    new Command('remove')
      .description('Remove a group (not its devices)')
      .argument('<group>')
      .action(async (name: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        await known(client, name, client.groups.remove(name));
        print(command, { removed: name }, () => `group ${name} is removed`);
      }),
    'flotilla groups remove turin',
  );
