import { Offenders } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { spanText } from './span-text.js';
import { type Filters, filtered, queryOf, spanned } from './telemetry-filters.js';

export const offenders = (): Command =>
  example(
    filtered(spanned(new Command('offenders')))
      .description('Devices that stand out, the worst first')
      .option('--by <measure>', 'errorRate, latency (p95), compute, sheds, restarts or temperature', 'errorRate')
      .option('--least <n>', 'only devices with so many inferences', wholeNumber, 100)
      .option('--limit <n>', 'how many', wholeNumber, 10)
      .action(async (options: Filters, command: Command) => {
        const answer = await clientFor(command).get(`/api/v1/telemetry/offenders?${queryOf(options)}`, Offenders);
        print(command, answer, (its) => textOf(its, Number(options['least'])));
      }),
    'flotilla telemetry offenders --by latency --since 1d',
  );

function textOf({ by, unit, items, devices, median, ...read }: Offenders, least: number): string {
  const shown = (value: number) => (unit === 'share' ? `${Number((value * 100).toPrecision(3))} %` : `${value} ${unit}`.trim());
  const rows = items.map(({ device, value, ratioToMedian, inferences, hardwareClass }) => ({
    device,
    [by]: shown(value),
    'times the median': ratioToMedian,
    inferences,
    'hardware class': hardwareClass,
  }));
  const among = median === undefined ? [] : [`of ${devices} devices; their median is ${shown(median)}`];
  return [table(rows, `no device measured that with ${least} inferences or more in that time`), ...among, spanText(read)].join(
    '\n',
  );
}
