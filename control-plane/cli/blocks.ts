import type { BlockView } from '@flotilla/protocol';
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
        const found = await clientFor(command).kills.blocks(all ? { all: 'true' } : {});
        print(command, found, () => table(found.map(row), 'no release is blocked'));
      }),
    'flotilla blocks list',
    'flotilla blocks list --all',
  );

const lift = () =>
  example(
    new Command('lift')
      .description('Let a release be offered again; nothing returns to it by itself')
      .argument('<block>', 'what is blocked (model@1.2.0), or the id or how it begins')
      .requiredOption('--reason <text>', 'why it may run again; recorded')
      .action(async (id: string, { reason }: { reason: string }, command: Command) => {
        const client = clientFor(command);
        const block = named(id, await client.kills.blocks(), 'block');
        print(command, await client.kills.lift(block.id, { reason }), describe);
      }),
    'flotilla blocks lift product-classifier@1.2.0 --reason "the camera was mounted upside down"',
  );

/** "product-classifier@1.2.0 on group lyon" */
export const aimText = ({ model, version, group }: Pick<BlockView, 'model' | 'version' | 'group'>) =>
  `${model}${version === undefined ? ' (all versions)' : `@${version}`}${group === undefined ? '' : ` on group ${group}`}`;

/** The one that is meant by what it blocks, or by its id. */
export function named<T extends BlockView>(text: string, all: readonly T[], what: 'block' | 'kill'): T {
  const aimed = all.filter(({ model, version }) => text === (version === undefined ? model : `${model}@${version}`));
  const found = aimed.length > 0 ? aimed : all.filter((each) => each.id.startsWith(text));
  const [first] = found;
  if (!first) throw new ApiError('BLOCK_NOT_FOUND', `no ${what} ${text}; \`flotilla ${what}s list\` names them`);
  const inForce = found.filter((each) => !each.lifted);
  if (inForce.length > 1 || (inForce.length === 0 && aimed.length === 0 && found.length > 1))
    throw new UsageError(
      `"${text}" may be ${inForce.map((each) => `${each.id.slice(0, 8)} (${aimText(each)})`).join(' or ')}: say which`,
    );
  return inForce[0] ?? first;
}

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
