import type { VitalsAnswer, VitalsGroup } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { spanText } from './span-text.js';
import { type Asked, spanned } from './telemetry-filters.js';

export const vitals = (): Command =>
  example(
    spanned(new Command('vitals'))
      .description('How hot, busy and full boards were')
      .option('--by <dimensions>', 'device, group, hardwareClass or label:NAME; one or two', 'device')
      .option('--step <length>', 'in buckets of a minute, hour or day')
      .option(
        '--level <level>',
        'from records as they came (raw), or from rollups by hour or day (else the finest that is quick)',
      )
      .option('--order <measure>', 'most first: temperature, cpu, memory, throttled, power, gpu, outbox or drops', 'temperature')
      .option('--limit <n>', 'how many', wholeNumber, 20)
      .option('--hardware-class <class>', 'of this hardware class')
      .option('--group <group>', 'of the devices of this group')
      .option('--selector <selector>', 'of the devices that a selector names')
      .option('--device <device>', 'of this device')
      .action(async (options: Asked<'vitals'>, command: Command) => {
        print(command, await clientFor(command).telemetryContents.vitals(options), textOf);
      }),
    'flotilla telemetry vitals --by label:site --order temperature --since 6h',
    'flotilla telemetry vitals --device lyon-1 --step hour --since 1d',
  );

const columns: readonly [name: string, of: (group: VitalsGroup) => string | number | undefined][] = [
  ['max °c', ({ temperatureMaxC }) => temperatureMaxC],
  ['cpu', ({ cpuMean }) => percent(cpuMean)],
  ['cpu max', ({ cpuMax }) => percent(cpuMax)],
  ['memory', ({ memoryShareMax }) => percent(memoryShareMax)],
  ['held back', ({ throttledShare }) => percent(throttledShare)],
  ['W', ({ powerMeanW }) => powerMeanW],
  ['gpu', ({ gpuMean }) => percent(gpuMean)],
  ['waiting', ({ outboxRecordsMax }) => outboxRecordsMax],
  ['dropped', ({ outboxDroppedMax }) => outboxDroppedMax],
];

/** With columns only for what some board told. */
function textOf({ items, ...read }: VitalsAnswer): string {
  const told = columns.filter(([, of]) => items.some((item) => of(item) !== undefined));
  const rows = items.map((item) => ({
    ...(item.at && { at: item.at }),
    ...item.key,
    devices: item.devices,
    ...Object.fromEntries(told.map(([name, of]) => [name, of(item)])),
  }));
  return `${table(rows, 'no board told anything in that time')}\n${spanText(read, 'vitals')}`;
}

const percent = (share: number | undefined) => (share === undefined ? undefined : `${Number((share * 100).toPrecision(3))} %`);
