import { setTimeout as delay } from 'node:timers/promises';
import type { KillTargetView, KillView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { FlotillaClient } from './flotilla-client.js';
import { aimText, named } from './blocks.js';
import { example, facts, print, table } from './output.js';
import { clientFor, UsageError, wholeNumber } from './settings.js';

type KillOptions = { group?: string; reason: string; wait?: boolean; timeout: number };

/** Takes a release from every device, now. */
export const kill = () =>
  example(
    new Command('kill')
      .description(
        'Take a release (without a version: every one of a model) from all devices, or a group, and block it until that is lifted. Each device goes back to its last good release; one without stops. Overrides rollouts, pins, windows and approvals',
      )
      .argument('<model[@version]>')
      .requiredOption('--reason <text>', 'why: goes to the log, to the devices and to their clients')
      .option('--group <group>', 'only on the devices of this group')
      .option('--wait', 'until every device that is online has confirmed; exit 2 if some have not, or failed')
      .option('--timeout <seconds>', 'how long to wait', wholeNumber, 60)
      .action(async (aim: string, options: KillOptions, command: Command) => {
        const client = clientFor(command);
        const { group, reason, wait, timeout } = options;
        const killed = await client.kills.kill({ ...aimOf(aim), ...(group && { group }), reason });
        const shown = wait ? await settled(client, killed, timeout) : killed;
        print(command, shown, describeKill);
        if (wait && (shown.counts.pending > 0 || shown.counts.failed > 0)) process.exitCode = 2;
      }),
    'flotilla kill product-classifier@1.2.0 --reason "confuses left and right gaskets" --wait',
  );

export function kills(): Command {
  const noun = new Command('kills').description('Releases that were killed, and how far that has come');
  return noun.addCommand(list()).addCommand(show());
}

const list = () =>
  example(
    new Command('list').description('All kills, newest first').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).kills.list();
      const rows = found.map((each) => ({
        kill: each.id.slice(0, 8),
        what: aimText(each),
        confirmed: `${each.counts.confirmed} of ${each.counts.affected}`,
        unreached: each.counts.unreached,
        by: each.actor,
        at: each.at,
        reason: each.reason,
      }));
      print(command, found, () => table(rows, 'nothing was ever killed'));
    }),
    'flotilla kills list',
  );

const show = () =>
  example(
    new Command('show')
      .description('One kill, live: how many devices have confirmed by what they run, and who was not reached')
      .argument('<kill>', 'what was killed (model@1.2.0), or the id or how it begins')
      .option('--devices', 'every device; without it, those that have not confirmed')
      .action(async (id: string, { devices }: { devices?: boolean }, command: Command) => {
        const client = clientFor(command);
        const found = named(id, await client.kills.list(), 'kill');
        const of = (state?: KillTargetView['state']) => client.kills.targets(found.id, { state });
        const open = ['failed', 'pending', 'unreached'] as const;
        const targets = devices ? await of() : (await Promise.all(open.map(of))).flat();
        print(command, { ...found, targets }, () =>
          [describeKill(found), table(targets.map(targetRow), 'every device has confirmed')].join('\n\n'),
        );
      }),
    'flotilla kills show product-classifier@1.2.0',
    'flotilla kills show product-classifier@1.2.0 --devices',
  );

/** `model@1.2.0`, or `model`. */
function aimOf(text: string): { model: string; version?: string } {
  const [model = '', version, ...more] = text.split('@');
  if (model === '' || version === '' || more.length > 0)
    throw new UsageError(`"${text}" names no release: write model@1.2.0, or the model alone for every version of it`);
  return version === undefined ? { model } : { model, version };
}

async function settled(client: FlotillaClient, killed: KillView, timeoutS: number): Promise<KillView> {
  for (const deadline = Date.now() + timeoutS * 1000; ; await delay(200)) {
    const now = await client.kills.show(killed.id);
    if (now.counts.pending === 0 || Date.now() >= deadline) return now;
  }
}

const describeKill = (each: KillView) => {
  const { affected, confirmed, pending, unheard, failed, unreached, stopped } = each.counts;
  return facts({
    kill: each.id,
    what: aimText(each),
    because: each.reason,
    by: `${each.actor}, ${each.at}`,
    confirmed: `${confirmed} of ${affected}${stopped > 0 ? `; ${stopped} had nothing to go back to and stop` : ''}`,
    pending: unheard > 0 ? `${pending}; ${unheard} of them not heard since the control plane started` : pending || undefined,
    failed: failed || undefined,
    'not reached': unreached || undefined,
    lifted: each.lifted && `${each.lifted.by}, ${each.lifted.at}: ${each.lifted.reason}`,
  });
};

const targetRow = (target: KillTargetView) => ({
  device: target.device,
  slot: target.slot,
  state: stateOf(target),
  took: target.took,
  'goes back to': target.good ?? 'nothing: it stops',
  link: target.online ? 'online' : 'offline',
  reason: target.reason,
});

/** Whoever went away while the control plane was down is still online to it, for as long as a heartbeat may be late. */
function stateOf({ state, unheard, lastSeen }: KillTargetView): string {
  if (state === 'unreached') return `unreached, offline since ${lastSeen ?? 'ever'}`;
  return unheard ? `pending, not heard since ${lastSeen}, before the control plane started` : state;
}
