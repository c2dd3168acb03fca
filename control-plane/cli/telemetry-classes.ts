import type { ClassesAnswer, ClassesGroup } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { spanText } from './span-text.js';
import { type Asked, filtered, spanned } from './telemetry-filters.js';

export const classes = (): Command =>
  example(
    filtered(spanned(new Command('classes')))
      .description('Which classes models answered with, and how sure they were')
      .option('--by <dimensions>', 'release, variant, hardwareClass, slot, device, group or label:NAME; one or two', 'release')
      .option('--level <level>', 'from windows (raw), or from rollups by hour or day (else the finest that is quick)')
      .option('--class <class>', 'only this class')
      .option('--top <n>', 'so many classes of each, the most frequent first', wholeNumber, 10)
      .option('--limit <n>', 'how many groups', wholeNumber, 20)
      .action(async (options: Asked<'classes'>, command: Command) => {
        print(command, await clientFor(command).telemetryContents.classes(options), textOf);
      }),
    'flotilla telemetry classes --by label:site --top 3 --since 6h',
  );

function textOf({ items, ...read }: ClassesAnswer): string {
  return `${table(items.flatMap(rowsOf), 'nothing had a class in that time')}\n${spanText(read)}`;
}

const rowsOf = ({ key, classified, classes: its, meanScore }: ClassesGroup) =>
  its.map(({ class: name, count, share, shareAtMost }) => ({
    ...key,
    class: name,
    count,
    share: percent(share),
    'at most': percent(shareAtMost),
    of: classified,
    'mean score': meanScore,
  }));

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
