import type { TelemetryAnswer, TelemetryGroup } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { spanText } from './span-text.js';
import { changes } from './telemetry-changes.js';
import { classes } from './telemetry-classes.js';
import { compare } from './telemetry-compare.js';
import { exportTable } from './telemetry-export.js';
import { type Asked, filtered, spanned } from './telemetry-filters.js';
import { inputs } from './telemetry-inputs.js';
import { offenders } from './telemetry-offenders.js';
import { tail } from './telemetry-tail.js';
import { vitals } from './telemetry-vitals.js';

/** What devices measured; without a verb it is shown. */
export const telemetry = (): Command =>
  new Command('telemetry')
    .description('What devices measured; "flotilla telemetry" alone is "flotilla telemetry show"')
    .addCommand(show(), { isDefault: true })
    .addCommand(classes())
    .addCommand(inputs())
    .addCommand(vitals())
    .addCommand(compare())
    .addCommand(offenders())
    .addCommand(changes())
    .addCommand(tail())
    .addCommand(exportTable());

const show = (): Command =>
  example(
    filtered(spanned(new Command('show')))
      .description('Latency, errors and processor time, put together by one or two dimensions')
      .option('--by <dimensions>', 'release, variant, hardwareClass, slot, device, group or label:NAME; one or two', 'release')
      .option('--step <length>', 'in buckets of a minute, hour or day')
      .option('--level <level>', 'from raw windows, or from rollups by minute, hour or day (else the finest that is quick)')
      .option('--order <measure>', 'most first: inferences, errors, errorRate, sheds, compute or restarts', 'inferences')
      .option('--limit <n>', 'how many', wholeNumber, 20)
      .action(async (options: Asked<'query'>, command: Command) => {
        const answer = await clientFor(command).queries.query(options);
        print(command, answer, textOf);
      }),
    'flotilla telemetry show --by hardwareClass,release --since 1d --order compute',
    'flotilla telemetry show --step hour --since 6h --group lyon',
  );

const textOf = ({ since, until, level, items }: TelemetryAnswer) =>
  `${table(rowsOf(items), 'nothing was measured in that time')}\n${spanText({ since, until, level })}`;

const row = ({
  key,
  at,
  devices,
  ok,
  errors,
  errorRate,
  sheds,
  meanComputeMs,
  latency: { total },
  restarts,
}: TelemetryGroup) => ({
  ...(at && { at }),
  ...key,
  devices,
  inferences: ok + errors,
  errors: errors === 0 ? '0' : `${errors} (${percent(errorRate ?? 0)})`,
  sheds,
  restarts,
  'compute ms': meanComputeMs,
  'p50 ms': total.p50,
  'p95 ms': total.p95,
  'p99 ms': total.p99,
});

/** What not every line and board tells. */
const evidence: readonly [name: string, of: (group: TelemetryGroup) => string | number | undefined][] = [
  ['wrong', ({ feedback: said, rejectedShare = 0 }) => said && `${said.rejected + said.corrected} (${percent(rejectedShare)})`],
  ['max °c', ({ temperatureMaxC }) => temperatureMaxC],
  ['held back', ({ throttledShare }) => (throttledShare === undefined ? undefined : percent(throttledShare))],
  ['J each', ({ joulesPerInference }) => joulesPerInference],
];

/** With columns only for what somebody told. */
function rowsOf(items: readonly TelemetryGroup[]) {
  const told = evidence.filter(([, of]) => items.some((item) => of(item) !== undefined));
  return items.map((item) => ({ ...row(item), ...Object.fromEntries(told.map(([name, of]) => [name, of(item)])) }));
}

const percent = (share: number) => `${(share * 100).toPrecision(3)} %`;
