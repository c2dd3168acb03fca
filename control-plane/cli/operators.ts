import type { OperatorRole } from '@flotilla/protocol';
import { Command, Option } from 'commander';
import { example, print, table } from './output.js';
import { clientFor } from './settings.js';

export function operators(): Command {
  const noun = new Command('operators').description(
    'People with a token of their own: for who approves what another has planned',
  );
  return noun.addCommand(list()).addCommand(create()).addCommand(remove());
}

const list = () =>
  example(
    new Command('list').description('Names and roles').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).operators.list();
      print(command, found, () => table(found, 'no operator; the admin has the token in the data folder'));
    }),
    'flotilla operators list',
  );

const create = () =>
  example(
    new Command('create')
      .description('Create an operator; their token is shown once (they use it as FLOTILLA_TOKEN)')
      .argument('<name>')
      .addOption(
        new Option('--role <role>', 'operator: all but operators and backups; approver: look, approve and reject')
          .choices(['operator', 'approver'])
          .default('operator'),
      )
      .action(async (name: string, { role }: { role: OperatorRole }, command: Command) => {
        print(command, await clientFor(command).operators.create({ name, role }), ({ token }) => token);
      }),
    'flotilla operators create ann --role approver',
  );

const remove = () =>
  example(
    new Command('remove')
      .description('Their token is refused from now on')
      .argument('<name>')
      .action(async (name: string, _options: unknown, command: Command) => {
        await clientFor(command).operators.remove(name);
        print(command, { removed: name }, () => `${name} has no token any more`);
      }),
    'flotilla operators remove ann',
  );
