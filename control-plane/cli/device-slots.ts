import type { SlotWhyView } from '@flotilla/protocol';
import { Command } from 'commander';
import { aimText } from './blocks.js';
import { example, facts, print, table } from './output.js';
import { clientFor, UsageError } from './settings.js';

export const pin = () =>
  example(
    new Command('pin')
      .description('Keep a slot on a release: rollouts leave it out, assignments are refused; only a kill takes it away')
      .argument('<device>')
      .argument('<slot>')
      .argument('<release>')
      .requiredOption('--reason <text>', 'why; recorded')
      .action(async (device: string, slot: string, release: string, { reason }: { reason: string }, command: Command) => {
        const pinned = await clientFor(command).pins.pin(device, slot, { release, reason });
        print(command, pinned, (p) => `slot ${p.slot} of ${p.device} is pinned to ${p.release}: ${p.reason}`);
      }),
    'flotilla devices pin lyon-2 inspection product-classifier@1.0.0 --reason "certified with it until March"',
  );

export const unpin = () =>
  example(
    new Command('unpin')
      .description('Let rollouts and assignments change the slot again; it keeps what it has until one does')
      .argument('<device>')
      .argument('<slot>')
      .action(async (device: string, slot: string, _options: unknown, command: Command) => {
        await clientFor(command).pins.unpin(device, slot);
        print(command, { unpinned: { device, slot } }, () => `slot ${slot} of ${device} is not pinned any more`);
      }),
    'flotilla devices unpin lyon-2 inspection',
  );

export const why = () =>
  example(
    new Command('why')
      .description(
        'Why a slot should run what it should run: who won, who else wanted it, what is blocked, where a kill would lead',
      )
      .argument('<device>')
      .argument('[slot]')
      .action(async (device: string, slot: string | undefined, _options: unknown, command: Command) => {
        const { items } = await clientFor(command).slotWhy.show(device);
        const asked = slot === undefined ? items : items.filter((item) => item.slot === slot);
        if (slot !== undefined && asked.length === 0)
          throw new UsageError(`${device} has no slot ${slot}; it has ${items.map((item) => item.slot).join(', ') || 'none'}`);
        print(command, asked, (all) => all.map(describe).join('\n\n') || 'no slot has an assignment or a report');
      }),
    'flotilla devices why lyon-1 inspection',
  );

const describe = ({ slot, assignment, running, others, blocks, history }: SlotWhyView) =>
  [
    facts({
      slot,
      'should run': assignment?.release ?? 'nothing: it is stopped',
      owner: assignment && `${assignment.owner} (priority ${assignment.priority})`,
      by: assignment?.by,
      because: assignment?.reason,
      since: assignment?.since,
      runs: running ?? 'nothing',
    }),
    ...(others.length > 0
      ? [
          table(
            others.map(({ owner, release, why: because }) => ({ 'also wanted by': owner, release, because })),
            '',
          ),
        ]
      : []),
    ...(blocks.length > 0
      ? [
          table(
            blocks.map((block) => ({ blocked: aimText(block), by: block.actor, at: block.at, reason: block.reason })),
            '',
          ),
        ]
      : []),
    table(
      history.map(({ release, at, blocked }) => ({ committed: release, at, blocked: blocked ? 'blocked' : undefined })),
      'it has committed nothing yet',
    ),
  ].join('\n\n');
