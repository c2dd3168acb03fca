import { ReleaseName, type ReleaseView } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, facts, print, table } from './output.js';
import { pushRelease } from './push-release.js';
import { clientFor, UsageError } from './settings.js';

export function releases(): Command {
  const noun = new Command('releases').description('Releases of models');
  noun.addCommand(list()).addCommand(show()).addCommand(push());
  return noun;
}

const list = () =>
  example(
    new Command('list').description('All releases').action(async (_options: unknown, command: Command) => {
      const found = await clientFor(command).releases.list();
      const rows = found.map((r) => ({
        release: r.name,
        digest: r.digest.slice(0, 12),
        size: megabytes(r),
        pushed: r.pushedAt,
        summary: r.summary,
      }));
      print(command, found, () => table(rows, 'no release; push a folder: flotilla releases push FOLDER'));
    }),
    'flotilla releases list',
  );

const show = () =>
  example(
    new Command('show')
      .description('One release')
      .argument('<model@version>')
      .action(async (name: string, _options: unknown, command: Command) => {
        if (!ReleaseName.safeParse(name).success)
          throw new UsageError(`"${name}" is no name of a release: it looks like product-classifier@1.2.0`);
        print(command, await clientFor(command).releases.show(name), describe);
      }),
    'flotilla releases show product-classifier@1.2.0',
  );

const push = () =>
  example(
    new Command('push')
      .description('Push a release folder; what the control plane has already is not sent again')
      .argument('<folder>')
      .action(async (folder: string, _options: unknown, command: Command) => {
        print(command, await pushRelease(clientFor(command), folder), describe);
      }),
    'flotilla releases push test/models/releases/1.2.0',
  );

const describe = (release: ReleaseView) =>
  [
    facts({
      release: release.name,
      digest: release.digest,
      summary: release.summary,
      size: megabytes(release),
      pushed: release.pushedAt,
    }),
    table(
      release.variants.map((v) => ({ variant: v.file, precision: v.precision, providers: v.providers.join(','), bytes: v.size })),
      'no variant',
    ),
  ].join('\n\n');
const megabytes = ({ sizeBytes }: ReleaseView) => `${(sizeBytes / 1e6).toFixed(1)} MB`;
