import { TelemetryComparison } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print } from './output.js';
import { clientFor } from './settings.js';
import { sideBySide, spanText } from './span-text.js';
import { type Filters, filtered, queryOf, spanned } from './telemetry-filters.js';

type Options = Filters & { of?: string };

export const compare = (): Command =>
  example(
    filtered(spanned(new Command('compare')))
      .description('Two releases or groups side by side, or two values of another dimension')
      .argument('<a>')
      .argument('<b>')
      .option(
        '--of <dimension>',
        'release, group, variant, hardwareClass, slot, device or label:NAME (else: model@version is a release, all else a group)',
      )
      .option('--level <level>', 'from raw windows, or from rollups by minute, hour or day')
      .action(async (a: string, b: string, { of, ...options }: Options, command: Command) => {
        const query = queryOf({ of: of ?? (a.includes('@') ? 'release' : 'group'), a, b, ...options });
        const answer = await clientFor(command).get(`/api/v1/telemetry/compare?${query}`, TelemetryComparison);
        print(command, answer, textOf);
      }),
    'flotilla telemetry compare product-classifier@1.0.0 product-classifier@1.2.0 --since 1d',
    'flotilla telemetry compare lyon turin --since 1d',
  );

const textOf = ({ a, b, metrics, words, ...read }: TelemetryComparison) =>
  [sideBySide(a, b, metrics), '', ...words, spanText(read)].join('\n');
