import { type DataValue, DataType, type Variant } from 'node-opcua-client';
import type { Value } from './line-reader.js';

/** A value that is bad, that was not told yet, or that no release takes is a missing feature. */
export function valueOf({ statusCode, value }: DataValue): Value {
  return statusCode.isBad() ? null : scalarOf(value);
}

function scalarOf({ dataType, value, arrayType }: Variant): Value {
  if (arrayType !== 0) return null;
  if (dataType === DataType.Int64) return Number(BigInt.asIntN(64, joined(value as [number, number])));
  if (dataType === DataType.UInt64) return Number(joined(value as [number, number]));
  return dataType === DataType.LocalizedText ? ((value as { text: string | null } | null)?.text ?? null) : plain(value);
}

function plain(value: unknown): Value {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return typeof value === 'string' || typeof value === 'boolean' ? value : null;
}

/** Upper and lower half. */
const joined = ([high, low]: [number, number]) => (BigInt(high) << 32n) | BigInt(low >>> 0);
