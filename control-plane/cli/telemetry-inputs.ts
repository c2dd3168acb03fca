import type { InputHistogram, InputsAnswer, InputsGroup } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';
import { spanText } from './span-text.js';
import { type Asked, ofDevices, spanned } from './telemetry-filters.js';

export const inputs = (): Command =>
  example(
    ofDevices(spanned(new Command('inputs')))
      .description('What inputs of a release looked like, beside its baseline')
      .requiredOption('--release <release>', 'of this release, model@version: the bins are those of its baseline')
      .option('--slot <slot>', 'of this slot')
      .option('--by <dimensions>', 'release, variant, hardwareClass, slot, device, group or label:NAME; one or two', 'release')
      .option('--level <level>', 'from windows (raw), or from rollups by hour or day (else the finest that is quick)')
      .option('--limit <n>', 'how many groups', wholeNumber, 5)
      .action(async (options: Asked<'inputs'>, command: Command) => {
        print(command, await clientFor(command).telemetryContents.inputs(options), textOf);
      }),
    'flotilla telemetry inputs --release product-classifier@2.0.0 --by label:site --since 1d',
  );

/** A table for each histogram: a line for each bin, a column for each group. */
function textOf({ release, baseline, items, ...read }: InputsAnswer): string {
  const of = (pick: (group: InputsGroup) => readonly number[] | undefined) =>
    items.map((item) => ({ name: Object.values(item.key).join(' ') || '-', counts: pick(item) ?? [] }));
  const tables = baseline.inputs.map(
    (histogram, i) =>
      `${titleOf(histogram)}\n${histogramText(
        histogram,
        of((item) => item.inputs[i]),
      )}`,
  );
  if (baseline.score)
    tables.push(
      `score of the first class\n${histogramText(
        baseline.score,
        of(({ score }) => score),
      )}`,
    );
  if (items.length === 0) tables.push('nothing was counted in that time');
  return `${release}, whose baseline is of ${baseline.inferences} inferences\n\n${tables.join('\n\n')}\n\n${spanText(read)}`;
}

const titleOf = ({ input, statistic, at }: InputHistogram) => `${statistic} of ${input}${at === undefined ? '' : ` at ${at}`}`;

type Bins = Readonly<{ edges: readonly number[]; counts: readonly number[] }>;
type Counted = Readonly<{ name: string; counts: readonly number[] }>;

function histogramText({ edges, counts }: Bins, groups: readonly Counted[]): string {
  const columns = [{ name: 'baseline', counts }, ...groups].map(({ name, counts: its }) => ({ name, its, all: sum(its) }));
  const rows = counts.map((_, i) => ({
    bin: binText(edges, i),
    ...Object.fromEntries(columns.map(({ name, its, all }) => [name, all > 0 ? percent((its[i] ?? 0) / all) : undefined])),
  }));
  return table([...rows, { bin: 'counted', ...Object.fromEntries(columns.map(({ name, all }) => [name, all])) }], '');
}

function binText(edges: readonly number[], i: number): string {
  if (i === 0) return `below ${short(edges[0]!)}`;
  return i === edges.length ? `${short(edges[i - 1]!)} and more` : `${short(edges[i - 1]!)} to ${short(edges[i]!)}`;
}

const short = (edge: number) => String(Number(edge.toPrecision(4)));
const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
