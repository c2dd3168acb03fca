import type { Command } from 'commander';
import { globalsOf } from './settings.js';

type Row = Readonly<Record<string, string | number | undefined>>;

/** `--json`: the answer as it came; else what `text` makes of it. */
export function print<T>(command: Command, answer: T, text: (answer: T) => string): void {
  process.stdout.write(`${globalsOf(command).json ? JSON.stringify(answer, null, 2) : text(answer)}\n`);
}

/** Columns as wide as their widest cell. `none`: what to say of an empty table. */
export function table(rows: readonly Row[], none: string): string {
  const [first] = rows;
  if (!first) return none;
  const keys = Object.keys(first);
  const cells = [keys.map((key) => key.toUpperCase()), ...rows.map((row) => keys.map((key) => cell(row[key] ?? '-')))];
  const widths = keys.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Keys and values, one a line; what is undefined is left out. */
export function facts(entries: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const known = Object.entries(entries).filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(...known.map(([key]) => key.length));
  return known.map(([key, value]) => `${key.padEnd(width)}  ${cell(value!)}`).join('\n');
}

/** What devices wrote must not steer the terminal. */
const cell = (value: string | number | boolean) => String(value).replaceAll(/\p{Cc}+/gu, ' ');

export const labelsText = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

/** An example for the command's help; a test runs every one of them. */
export const example = (command: Command, ...lines: string[]): Command =>
  command.addHelpText('after', `\nExample:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
