import { BlockView } from '@flotilla/protocol';
import { Command } from 'commander';
import { ApiError } from './client.js';
import { example, facts, print, table } from './output.js';
import { clientFor, UsageError } from './settings.js';

export function blocks(): Command {
  const noun = new Command('blocks').description('Releases that must not be offered; made by flotilla kill');
  return noun.addCommand(list()).addCommand(lift());
}

const list = () =>
  example(
    new Command('list')
      .description('Blocks in force, newest first')
      .option('--all', 'lifted ones, too')
      .action(async ({ all }: { all?: boolean }, command: Command) => {
        const found = await clientFor(command).list(`/api/v1/blocks${all ? '?all=true' : ''}`, BlockView);
        print(command, found, () => table(found.map(row), 'no release is blocked'));
      }),
    'flotilla blocks list',
    'flotilla blocks list --all',
  );

const lift = () =>
  example(
    new Command('lift')
      .description('Let a release be offered again; nothing returns to it by itself')
      .argument('<block>', 'id, or how it begins')
      .requiredOption('--reason <text>', 'why it may run again; recorded')
      .action(async (id: string, { reason }: { reason: string }, command: Command) => {
        const client = clientFor(command);
        const found = (await client.list('/api/v1/blocks?all=true', BlockView)).filter((block) => block.id.startsWith(id));
        const [block, another] = found;
        if (another) throw new UsageError(`the ids of several blocks begin with "${id}": write more of it`);
        if (!block) throw new ApiError('BLOCK_NOT_FOUND', `no block ${id}; \`flotilla blocks list\` names them`);
        print(command, await client.post(`/api/v1/blocks/${block.id}/lift`, { reason }, BlockView), describe);
      }),
    'flotilla blocks lift 3f0c --reason "the camera was mounted upside down"',
  );

/** "product-classifier@1.2.0 on group lyon" */
export const aimText = ({ model, version, group }: Pick<BlockView, 'model' | 'version' | 'group'>) =>
  `${model}${version === undefined ? ' (all versions)' : `@${version}`}${group === undefined ? '' : ` on group ${group}`}`;

const row = (block: BlockView) => ({
  block: block.id.slice(0, 8),
  what: aimText(block),
  by: block.actor,
  at: block.at,
  reason: block.reason,
  lifted: block.lifted && `${block.lifted.by}: ${block.lifted.reason}`,
});

const describe = (block: BlockView) =>
  facts({
    block: block.id,
    what: aimText(block),
    because: block.reason,
    by: `${block.actor}, ${block.at}`,
    lifted: block.lifted && `${block.lifted.by}, ${block.lifted.at}: ${block.lifted.reason}`,
  });
