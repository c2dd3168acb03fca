import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { failureKind } from './database-failure.js';

const withCode = (code: string, message = 'failed') => Object.assign(new Error(message), { code });
const query = (code: string) => new QueryFailedError('INSERT', [], withCode(code));

describe('why a transaction failed', () => {
  it.each([
    ['a value out of range', query('22003'), 'data'],
    ['a violated constraint', query('23505'), 'data'],
    ['a server that shuts down', query('57P01'), 'database'],
    ['a deadlock', query('40P01'), 'database'],
    ['a full disk', query('53100'), 'database'],
    ['a table that is away', query('42P01'), 'database'],
    ['a refused connection', withCode('ECONNREFUSED'), 'database'],
    ['a socket that is gone', withCode('ENOENT'), 'database'],
    ['a connection that ended', new QueryFailedError('SELECT', [], new Error('Connection terminated unexpectedly')), 'database'],
    ['a full pool', new Error('timeout exceeded when trying to connect'), 'database'],
    ['a fault in the program', new TypeError('x is not a function'), 'program'],
    ['something that is no error', 'oops', 'program'],
  ] as const)('%s', (_name, error, kind) => expect(failureKind(error)).toBe(kind));
});
