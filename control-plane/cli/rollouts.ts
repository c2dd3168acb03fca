import { digestOf, ReleaseName, type RolloutCommand, type RolloutView } from '@flotilla/protocol';
import { Command } from 'commander';
import type { z } from 'zod';
import { ApiError } from './client.js';
import type { FlotillaClient } from './flotilla-client.js';
import { changesOf } from './rollout-changes.js';
import { thereAre } from './near-names.js';
import { example, print, table } from './output.js';
import { readPlan } from './plan-file.js';
import { describePreview, describeRollout, isOver } from './rollout-text.js';
import { clientFor, globalsOf, UsageError } from './settings.js';

export function rollouts(): Command {
  const noun = new Command('rollouts').description('Rollouts: a release brought to devices in measured stages');
  noun.addCommand(list()).addCommand(show()).addCommand(watch()).addCommand(plan()).addCommand(create()).addCommand(apply());
  noun.addCommand(
    commanding(
      'pause',
      'Offer nothing more; devices in flight finish, or hold where the plan says inFlight: hold',
      'flotilla rollouts pause product-classifier-1.2.0',
    ),
  );
  noun.addCommand(word('approve', 'Say yes to its plan as it is')).addCommand(word('reject', 'Say no: it is over'));
  noun.addCommand(word('withdraw-approval', 'Take back a yes that has not started it'));
  noun.addCommand(resume());
  noun.addCommand(
    commanding(
      'retry',
      'Offer it again to devices of the stages so far that failed, fell silent or were left for later',
      'flotilla rollouts retry product-classifier-1.2.0',
    ),
  );
  noun.addCommand(rollBack());
  noun.addCommand(
    commanding('cancel', 'Stop for good; devices keep what they have', 'flotilla rollouts cancel product-classifier-1.2.0'),
  );
  return noun;
}

const list = () =>
  example(
    new Command('list').description('All rollouts, newest first').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).rollouts.list();
      const rows = found.map((r) => ({
        rollout: r.name,
        id: r.id.slice(0, 8),
        release: r.release,
        phase: r.phase,
        stage: r.stage === undefined ? undefined : r.stages[r.stage]?.name,
        detail: r.detail,
      }));
      print(command, found, () =>
        table(rows, 'no rollout; write a plan and create one: flotilla rollouts create -f rollout.yaml'),
      );
    }),
    'flotilla rollouts list',
  );

const show = () =>
  example(
    new Command('show')
      .description('One rollout with its stages, gates and evidence')
      .argument('<rollout>', 'name, id, or how the id begins')
      .action(async (name: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        const { id } = await findRollout(client, name);
        // Lists carry no summary.
        print(command, await client.rollouts.show(id), describeRollout);
      }),
    'flotilla rollouts show product-classifier-1.2.0',
  );

const watch = () =>
  example(
    new Command('watch')
      .description('Follow a rollout until it is over; exit 0 only if it completed')
      .argument('<rollout>')
      .action(async (name: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        let rollout = await findRollout(client, name);
        let said = '';
        for await (rollout of changesOf(client, rollout.id)) {
          const text = describeRollout(rollout);
          if (text !== said && !globalsOf(command).json) process.stdout.write(`${text}\n\n`);
          said = text;
          if (isOver(rollout)) break;
        }
        if (globalsOf(command).json) print(command, rollout, describeRollout);
        process.exitCode = rollout.phase === 'completed' ? 0 : 2;
      }),
    'flotilla rollouts watch product-classifier-1.2.0',
  );

const create = () =>
  example(
    new Command('create')
      .description('Create and start a rollout from a plan (YAML or JSON)')
      .requiredOption('-f, --file <file>', 'the plan')
      .action(async ({ file }: { file: string }, command: Command) => {
        print(command, await clientFor(command).rollouts.create(await readPlan(file)), describeRollout);
      }),
    'flotilla rollouts create -f deploy/examples/rollout.yaml',
  );

const plan = () =>
  example(
    new Command('plan')
      .description(
        'What would come of a plan now: stages, devices, what speaks against it. Nothing is written; exit 2 if it would be refused',
      )
      .requiredOption('-f, --file <file>', 'the plan')
      .action(async ({ file }: { file: string }, command: Command) => {
        const preview = await clientFor(command).rollouts.preview(await readPlan(file));
        print(command, preview, describePreview);
        if (preview.problems.length > 0) process.exitCode = 2;
      }),
    'flotilla rollouts plan -f deploy/examples/rollout.yaml',
  );

const apply = () =>
  example(
    new Command('apply')
      .description(
        'Create a rollout from a plan, unless the newest of that name is of the very same plan and was not ended: fit for GitOps',
      )
      .requiredOption('-f, --file <file>', 'the plan')
      .action(async ({ file }: { file: string }, command: Command) => {
        const client = clientFor(command);
        const wanted = await readPlan(file);
        const named = (await client.rollouts.list()).find((rollout) => rollout.name === wanted.name);
        const same = named?.planHash === digestOf(wanted) && !wasEnded(named);
        print(command, same ? named : await client.rollouts.create(wanted), describeRollout);
      }),
    'flotilla rollouts apply -f deploy/examples/rollout.yaml',
  );

/** By somebody, before it had done what its plan says. */
const wasEnded = ({ phase }: RolloutView) =>
  phase === 'cancelled' || phase === 'rejected' || phase === 'superseded' || phase === 'killed';

const resume = () =>
  example(
    new Command('resume')
      .description('Go on; after a breach or an inconclusive stage with a reason that is recorded')
      .argument('<rollout>')
      .option('--accepting <reason>', 'why the failures so far are acceptable')
      .action(async (name: string, { accepting }: { accepting?: string }, command: Command) =>
        send(command, name, { type: 'resume', ...(accepting ? { accepting } : {}) }),
      ),
    'flotilla rollouts resume product-classifier-1.2.0 --accepting "camera 3 was unplugged"',
  );

const rollBack = () =>
  example(
    new Command('roll-back')
      .description('Take the release back from every device that holds it: to what each ran before, or to what the plan says')
      .argument('<rollout>')
      .option('--to <release>', 'for all of them, in place of that')
      .action(async (name: string, { to }: { to?: string }, command: Command) => {
        await send(command, name, { type: 'roll-back', ...(to !== undefined && { to: ReleaseName.parse(to) }) });
      }),
    'flotilla rollouts roll-back product-classifier-1.2.0',
  );

const commanding = (type: 'pause' | 'retry' | 'cancel', description: string, line: string) =>
  example(
    new Command(type)
      .description(description)
      .argument('<rollout>')
      .action((name: string, _options: unknown, command: Command) => send(command, name, { type })),
    line,
  );

const word = (type: 'approve' | 'reject' | 'withdraw-approval', description: string) =>
  example(
    new Command(type)
      .description(`${description}; with the token of somebody else than its author`)
      .argument('<rollout>')
      .option('--comment <text>', 'recorded with it')
      .action(async (name: string, { comment }: { comment?: string }, command: Command) => {
        const { planHash } = await findRollout(clientFor(command), name);
        await send(command, name, { type, planHash, ...(comment ? { comment } : {}) });
      }),
    `flotilla rollouts ${type} product-classifier-1.2.0 --comment "seen in the lab"`,
  );

async function send(command: Command, name: string, body: z.input<typeof RolloutCommand>): Promise<void> {
  const client = clientFor(command);
  const { id } = await findRollout(client, name);
  print(command, await client.rollouts.command(id, body), describeRollout);
}

/** The newest rollout of that name, or the one whose id begins so. */
export async function findRollout(client: FlotillaClient, name: string): Promise<RolloutView> {
  const all = await client.rollouts.list();
  const named = all.find((rollout) => rollout.name === name);
  if (named) return named;
  const [found, another] = all.filter((rollout) => rollout.id.startsWith(name));
  if (another) throw new UsageError(`the ids of several rollouts begin with "${name}": write more of it`);
  if (found) return found;
  const names = all.map((rollout) => rollout.name);
  throw new ApiError('ROLLOUT_NOT_FOUND', `no rollout ${name}; ${thereAre(name, names)}`);
}
