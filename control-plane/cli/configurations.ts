import { ConfigurationChange, ConfigurationFile, ConfigurationScope, ConfigurationView } from '@flotilla/protocol';
import { Command } from 'commander';
import { ApiError, type ApiClient } from './client.js';
import { describeChange, describeConfiguration, describeDifference, ownerOf } from './configuration-text.js';
import { suggesting } from './near-names.js';
import { example, print, table } from './output.js';
import { clientFor, UsageError } from './settings.js';
import { readWritten } from './written-file.js';

type Slots = NonNullable<ConfigurationView['slots']>;
const base = '/api/v1/configurations';

export function configurations(): Command {
  const noun = new Command('configurations').description(
    'What gateways do: sources, triggers, pipelines and outputs, for groups or devices',
  );
  noun.addCommand(list()).addCommand(show()).addCommand(history()).addCommand(diff());
  noun.addCommand(push()).addCommand(rollback()).addCommand(remove());
  return noun;
}

const list = () =>
  example(
    new Command('list').description('All that are in force').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).list(base, ConfigurationView);
      const rows = found.map((each) => ({ ...row(each), slots: Object.keys(each.slots ?? {}).join(',') }));
      print(command, found, () =>
        table(rows, 'no configuration; write one and push it: flotilla configurations push -f gateway.yaml'),
      );
    }),
    'flotilla configurations list',
  );

const row = (each: ConfigurationView) => ({
  configuration: ownerOf(each),
  version: each.version,
  priority: each.scope === 'group' ? each.priority : undefined,
  at: each.at,
  by: each.actor,
  comment: each.comment,
});

const show = () =>
  example(
    new Command('show')
      .description('One configuration, as it was written')
      .argument('<owner>', 'group/NAME or device/NAME')
      .option('--at <n>', 'as it was with that version')
      .action(async (owner: string, { at }: { at?: string }, command: Command) => {
        const client = clientFor(command);
        print(command, await find(client, owner, at && numberOf('--at', at)), describeConfiguration);
      }),
    'flotilla configurations show group/lyon',
  );

const history = () =>
  example(
    new Command('history')
      .description('Its versions: who, when and why')
      .argument('<owner>', 'group/NAME or device/NAME')
      .action(async (owner: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        const found = await known(client, owner, client.list(`${pathOf(owner)}/versions`, ConfigurationView));
        const rows = found.map((each) => ({ ...row(each), slots: each.slots ? Object.keys(each.slots).join(',') : '(deleted)' }));
        print(command, found, () => table(rows, 'no version'));
      }),
    'flotilla configurations history group/lyon',
  );

const diff = () =>
  example(
    new Command('diff')
      .description('What a file, or going back to a version, would change')
      .argument('[owner]', 'group/NAME or device/NAME, with --to')
      .option('-f, --file <file>', 'a configuration that is not pushed yet')
      .option('--to <n>', 'an earlier version')
      .action(async (owner: string | undefined, options: { file?: string; to?: string }, command: Command) => {
        const { before, after } = await compared(clientFor(command), owner, options);
        print(command, { before, after }, () => describeDifference(before, after));
      }),
    'flotilla configurations diff -f deploy/examples/gateway.yaml',
  );

async function compared(
  client: ApiClient,
  owner: string | undefined,
  { file, to }: { file?: string; to?: string },
): Promise<{ before: Slots; after: Slots }> {
  if (file !== undefined) {
    const written = (await readWritten(file, ConfigurationFile)) as ConfigurationFile;
    const its = written.group === undefined ? `device/${written.device}` : `group/${written.group}`;
    return { before: await inForce(client, its), after: written.slots };
  }
  if (owner === undefined || to === undefined)
    throw new UsageError('diff needs either -f FILE, or group/NAME (device/NAME) with --to N');
  return { before: await inForce(client, owner), after: (await find(client, owner, numberOf('--to', to))).slots ?? {} };
}

/** Nothing, where there is none yet. */
const inForce = (client: ApiClient, owner: string): Promise<Slots> =>
  client.get(pathOf(owner), ConfigurationView).then(
    ({ slots }) => (slots ?? {}) as Slots,
    (error: unknown) => {
      if (error instanceof ApiError && error.code === 'CONFIGURATION_NOT_FOUND') return {};
      throw error;
    },
  );

const push = () =>
  example(
    new Command('push')
      .description('Bring a configuration (YAML or JSON) to its group or device')
      .requiredOption('-f, --file <file>', 'the configuration')
      .option('--comment <why>', 'in place of the one in the file')
      .action(async ({ file, comment }: { file: string; comment?: string }, command: Command) => {
        const written = await readWritten(file, ConfigurationFile);
        const body = comment === undefined ? written : { ...written, comment };
        print(command, (await clientFor(command).post(base, body, ConfigurationChange)) as ConfigurationChange, describeChange);
      }),
    'flotilla configurations push -f deploy/examples/gateway.yaml',
  );

const rollback = () =>
  example(
    new Command('rollback')
      .description('Back to the version before, or to a named one; it becomes the newest')
      .argument('<owner>', 'group/NAME or device/NAME')
      .option('--to <n>', 'the version')
      .option('--comment <why>')
      .action(async (owner: string, { to, comment }: { to?: string; comment?: string }, command: Command) => {
        const client = clientFor(command);
        const body = {
          ...(to === undefined ? {} : { version: numberOf('--to', to) }),
          ...(comment === undefined ? {} : { comment }),
        };
        const answer = client.post(`${pathOf(owner)}/rollback`, body, ConfigurationChange);
        print(command, (await known(client, owner, answer)) as ConfigurationChange, describeChange);
      }),
    'flotilla configurations rollback group/lyon',
  );

const remove = () =>
  example(
    new Command('delete')
      .description('Take it away; its devices go by what is left: other configurations, and their agent.yaml')
      .argument('<owner>', 'group/NAME or device/NAME')
      .action(async (owner: string, _options: unknown, command: Command) => {
        const client = clientFor(command);
        await known(client, owner, client.delete(pathOf(owner)));
        print(command, { deleted: owner }, () => `the configuration of ${owner} is deleted; its versions can still be shown`);
      }),
    'flotilla configurations delete group/lyon',
  );

const find = async (client: ApiClient, owner: string, version?: number | ''): Promise<ConfigurationView> => {
  const query = version ? `?version=${version}` : '';
  return (await known(client, owner, client.get(`${pathOf(owner)}${query}`, ConfigurationView))) as ConfigurationView;
};

function pathOf(owner: string): string {
  const [scope, name, ...rest] = owner.split('/');
  if (!ConfigurationScope.safeParse(scope).success || !name || rest.length > 0)
    throw new UsageError(`"${owner}" is not whose configuration it is: write group/NAME or device/NAME`);
  return `${base}/${scope}/${encodeURIComponent(name)}`;
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new UsageError(`${option} ${text}: a version is a whole number above 0`);
}

/** Of one that is not there, its likely names. */
const known = <T>(client: ApiClient, owner: string, answer: Promise<T>): Promise<T> =>
  suggesting(answer, owner, {
    code: 'CONFIGURATION_NOT_FOUND',
    names: async () => (await client.list(base, ConfigurationView)).map(ownerOf),
  });
