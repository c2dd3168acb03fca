import { QueryFailedError } from 'typeorm';

/**
 * Why a transaction failed. `data`: the records themselves (SQLSTATE class 22 data exception, 23 integrity, 54 limit).
 * `database`: it is away, busy, full or locked; the same again may succeed. `program`: a fault of ours.
 */
export type FailureKind = 'data' | 'database' | 'program';

const ofTheData = /^(22|23|54)/;
const ofTheConnection = /connection|terminat|timeout|pool|not established|client .*(closed|ended)/i;

export function failureKind(error: unknown): FailureKind {
  const cause = error instanceof QueryFailedError ? (error.driverError as unknown) : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (/^[0-9A-Z]{5}$/.test(code)) return ofTheData.test(code) ? 'data' : 'database';
  // Node's own: ECONNREFUSED, ENOENT (the server's socket is gone), EPIPE …
  if (/^E[A-Z]+$/.test(code)) return 'database';
  return cause instanceof Error && ofTheConnection.test(cause.message) ? 'database' : 'program';
}
