import { Command } from 'commander';
import { example, print } from './output.js';
import { clientFor, labelOf, wholeNumber } from './settings.js';

export function tokens(): Command {
  return new Command('tokens').description('Claim tokens: one-time permission to enrol a device').addCommand(create());
}

type Options = { name?: string; label?: string[]; expiresIn: number; approval?: boolean };

const create = () =>
  example(
    new Command('create')
      .description('Create a claim token; it is shown once')
      .option('--name <device>', 'id of the device (made up where absent)')
      .option('--label <key=value...>', 'labels that the device gets')
      .option('--approval', 'the device waits until somebody approves it')
      .option('--expires-in <seconds>', 'how long it may be used', wholeNumber, 86_400)
      .action(async ({ name, label, expiresIn, approval }: Options, command: Command) => {
        const body = {
          ...(name ? { name } : {}),
          labels: Object.fromEntries((label ?? []).map(labelOf)),
          expiresInS: expiresIn,
          approval: approval ? ('required' as const) : ('none' as const),
        };
        print(command, await clientFor(command).claimTokens.create(body), (token) => token.token);
      }),
    'flotilla tokens create --name lyon-7 --label site=lyon line=7',
    'flotilla tokens create --label site=lyon --approval',
  );
