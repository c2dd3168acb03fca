import type { DeviceImportView } from '@flotilla/protocol';
import { Command } from 'commander';
import { type ImportLine, readDevices } from './device-file.js';
import { example, labelsText, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { WrittenFileError } from './written-file.js';

type Options = { dryRun?: boolean; expiresIn: number };

export const importDevices = () =>
  example(
    new Command('import')
      .description('Claim tokens, or labels, for all devices of a CSV or YAML file; all of it, or nothing')
      .argument('<file>', 'columns name, claim (token, approval or none), and a label each')
      .option('--dry-run', 'only say what would come of it')
      .option('--expires-in <seconds>', 'how long the claim tokens may be used', wholeNumber, 7 * 86_400)
      .action(async (file: string, { dryRun = false, expiresIn }: Options, command: Command) => {
        const lines = await readDevices(file);
        const client = clientFor(command);
        const ask = (dry: boolean) => {
          const body = { devices: lines.map(({ entry }) => entry), expiresInS: expiresIn, dryRun: dry };
          return client.deviceImport.run(body);
        };
        const planned = await ask(true);
        refuse(file, lines, planned);
        print(command, dryRun ? planned : await ask(false), (answer) => describe(lines, answer));
      }),
    'flotilla devices import deploy/examples/devices.csv --dry-run',
    'flotilla devices import deploy/examples/devices.csv',
  );

function refuse(file: string, lines: readonly ImportLine[], { problems }: DeviceImportView): void {
  if (problems.length === 0) return;
  throw new WrittenFileError(problems.map(({ entry, problem }) => `${file}:${lines[entry]!.line}: ${problem}`).join('\n'));
}

const describe = (lines: readonly ImportLine[], { devices }: DeviceImportView) =>
  table(
    devices.map(({ name, does, token }, i) => ({
      device: name,
      gets:
        does === 'claim-token' && lines[i]!.entry.claim === 'approval' ? 'claim token, with approval' : does.replace('-', ' '),
      labels: labelsText(lines[i]!.entry.labels) || undefined,
      token,
    })),
    'no device',
  );
