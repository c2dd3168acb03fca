import type { Compared, TelemetryAnswer } from '@flotilla/protocol';
import { table } from './output.js';

type Read = Pick<TelemetryAnswer, 'since' | 'until' | 'level'> & { asOf?: string };

/** The span as it was read, which may be longer than what was asked for. */
export const spanText = ({ since, until, level, asOf }: Read, raw = 'windows') => {
  const source = level === 'raw' ? `from ${raw}` : `from rollups by ${level}`;
  return `from ${since} to ${until}, ${source}${asOf !== undefined && asOf < until ? `, as of ${asOf}` : ''}`;
};

const shown = (value: number | undefined, unit: Compared['unit']) => {
  if (value === undefined) return undefined;
  if (unit === 'share') return `${Number((value * 100).toPrecision(3))} %`;
  if (unit === 'bytes') return `${Math.round(value / 1e5) / 10} MB`;
  return unit === '' ? value : `${value} ${unit}`;
};

/** Two sides, their difference and ratio. */
export const sideBySide = (a: string, b: string, rows: readonly Compared[]) =>
  table(
    rows
      .filter((row) => row.a !== undefined || row.b !== undefined)
      .map((row) => ({
        metric: row.metric,
        [a]: shown(row.a, row.unit),
        [b]: shown(row.b, row.unit),
        difference: shown(row.difference, row.unit),
        ratio: row.ratio,
      })),
    'nothing was measured',
  );
