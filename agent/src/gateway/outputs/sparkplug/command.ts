import { bytesIn, doubleIn, type FieldRead, fields, flagIn, signedIn, textIn, unsignedIn } from '../../../protobuf.js';

/** A metric that a host writes: by name or by alias. */
export type Written = { name?: string; alias?: number; value?: string | number | bigint | boolean };

const mostBytes = 65_536;
const mostFields = 4096;

/** What an NCMD or DCMD writes. Throws with the reason for what is none. */
export function readCommand(message: Buffer): Written[] {
  if (message.length > mostBytes) throw new Error(`it has ${message.length} bytes, more than ${mostBytes}`);
  const allowance = { left: mostFields };
  const written: Written[] = [];
  for (const field of fields(message, allowance)) {
    if (field.id === 2) written.push(metricIn(bytesIn(field), allowance));
  }
  return written;
}

function metricIn(message: Buffer, allowance: { left: number }): Written {
  const metric: Written = {};
  for (const field of fields(message, allowance)) {
    if (field.id === 1) metric.name = textIn(field);
    else if (field.id === 2) metric.alias = Number(unsignedIn(field));
    else if (field.id >= 10 && field.id <= 15) metric.value = valueIn(field);
  }
  return metric;
}

function valueIn(field: FieldRead): NonNullable<Written['value']> {
  switch (field.id) {
    case 12:
      return bytesOf(field).readFloatLE();
    case 13:
      return doubleIn(field);
    case 14:
      return flagIn(field);
    case 15:
      return textIn(field);
    default:
      return signedIn(field);
  }
}

function bytesOf({ id, wire, value }: FieldRead): Buffer {
  if (wire !== 'fixed32') throw new Error(`field ${id} is not a float`);
  return value;
}
