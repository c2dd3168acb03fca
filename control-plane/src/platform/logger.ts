import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on standard output, one per event, times in ISO 8601. */
export const createLogger = (level: string): Logger => pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });

/** Nest's own messages, in the same log; what it says while building the application is only of interest when debugging. */
export function nestLogger(log: Logger): LoggerService {
  const nest = log.child({ part: 'nest' });
  return {
    log: (message: unknown) => nest.debug(String(message)),
    debug: (message: unknown) => nest.debug(String(message)),
    verbose: (message: unknown) => nest.trace(String(message)),
    warn: (message: unknown) => nest.warn(String(message)),
    error: (message: unknown, stack?: unknown) =>
      nest.error({ stack: typeof stack === 'string' ? stack : undefined }, String(message)),
    fatal: (message: unknown) => nest.fatal(String(message)),
  };
}
