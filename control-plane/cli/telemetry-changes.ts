import { TelemetryChanges } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor } from './settings.js';
import { sideBySide, spanText } from './span-text.js';
import { type Filters, filtered, queryOf } from './telemetry-filters.js';

export const changes = (): Command =>
  example(
    filtered(new Command('changes'))
      .description('What happened around a moment, and what was measured before and after')
      .requiredOption('--at <when>', 'so long ago, or a moment such as 2026-11-27T06:00:00Z')
      .option('--around <duration>', 'so long before and after', '30m')
      .action(async (options: Filters, command: Command) => {
        const answer = await clientFor(command).get(`/api/v1/telemetry/changes?${queryOf(options)}`, TelemetryChanges);
        print(command, answer, textOf);
      }),
    'flotilla telemetry changes --at 10m --around 30m --group lyon',
  );

const textOf = ({ at, before, after, metrics, words, releases, kinds, events }: TelemetryChanges) =>
  [
    `Around ${at}: before ${spanText(before)}; after ${spanText(after)}`,
    '',
    sideBySide('before', 'after', metrics),
    '',
    ...words,
    '',
    table(releases, 'no release inferred anything'),
    '',
    table(
      kinds.map(({ kind, count, devices, first, last, example: its }) => ({
        kind,
        count,
        devices,
        first,
        last,
        'for example': its,
      })),
      'nothing happened',
    ),
    ...(events.length > 0
      ? [
          '',
          table(
            events.map(({ at: when, kind, actor, device, message }) => ({ at: when, kind, actor, device, what: message })),
            '',
          ),
        ]
      : []),
  ].join('\n');
