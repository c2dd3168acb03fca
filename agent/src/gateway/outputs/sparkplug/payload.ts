import { BackwardWriter } from './backward-writer.js';

/** Sparkplug's numbers of the types that are used here (specification 3.0, 6.4.16). */
export const datatypes = { Int32: 3, Int64: 4, Double: 10, Boolean: 11, String: 12, DateTime: 13 } as const;
export type Datatype = keyof typeof datatypes;
export type Value = number | string | boolean | null;

/** The specification knows no others (6.4.12). */
export const qualities = { bad: 0, good: 192, stale: 500 } as const;
export type QualityCode = (typeof qualities)[keyof typeof qualities];

/** As it stands in a message; `at` in milliseconds since 1970. */
export type Metric = {
  name?: string | undefined;
  alias?: number | undefined;
  /** In births and deaths. */
  withType?: boolean;
  datatype: Datatype;
  at: number;
  value: Value;
  isHistorical?: boolean;
  quality?: QualityCode | undefined;
  unit?: string | undefined;
};
export type Payload = { at: number; seq?: number; metrics: readonly Metric[] };

/** Its bytes, written here because npm's sparkplug-payload is under the EPL and lies on a protobufjs that is not kept up any more. */
export function encodePayload({ at, seq, metrics }: Payload): Buffer {
  const to = new BackwardWriter();
  if (seq !== undefined) to.integer(3, seq);
  for (let i = metrics.length - 1; i >= 0; i--) {
    const end = to.length;
    writeMetric(to, metrics[i]!);
    to.endOfMessage(2, end);
  }
  to.integer(1, at);
  return to.bytes();
}

function writeMetric(to: BackwardWriter, metric: Metric): void {
  const { name, alias, at, datatype, value, withType, isHistorical, quality, unit } = metric;
  if (value !== null) writeValue(to, datatype, value);
  if (quality !== undefined || unit !== undefined) {
    const end = to.length;
    writeProperties(to, quality, unit);
    to.endOfMessage(9, end);
  }
  if (value === null) to.integer(7, 1);
  if (isHistorical) to.integer(5, 1);
  if (withType) to.integer(4, datatypes[datatype]);
  to.integer(3, at);
  if (alias !== undefined) to.integer(2, alias);
  if (name !== undefined) to.text(1, name);
}

function writeValue(to: BackwardWriter, datatype: Datatype, value: NonNullable<Value>): void {
  switch (datatype) {
    case 'Int32':
      // Two's complement in an unsigned field.
      return to.integer(10, Number(value) >>> 0);
    case 'Int64':
    case 'DateTime':
      return to.integer(11, Number(value));
    case 'Double':
      return to.double(13, Number(value));
    case 'Boolean':
      return to.integer(14, Number(value));
    case 'String':
      return to.text(15, String(value));
  }
}

/** Keys, then as many values. */
function writeProperties(to: BackwardWriter, quality: QualityCode | undefined, unit: string | undefined): void {
  if (unit !== undefined) writeProperty(to, () => to.text(8, unit), datatypes.String);
  if (quality !== undefined) writeProperty(to, () => to.integer(3, quality), datatypes.Int32);
  if (unit !== undefined) to.text(1, 'engUnit');
  if (quality !== undefined) to.text(1, 'Quality');
}

function writeProperty(to: BackwardWriter, value: () => void, type: number): void {
  const end = to.length;
  value();
  to.integer(1, type);
  to.endOfMessage(2, end);
}
