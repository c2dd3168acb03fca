import { pino, type Logger } from 'pino';

export type { Logger };

export interface Logging {
  readonly log: Logger;
  /** The last lines, newest last, at most that many characters: what `collect-logs` sends. */
  recent(maxLength: number): string;
}

const keptLines = 500;

/** JSON lines on standard output, and the last of them in memory. */
export function createLogging(level: string, write: (line: string) => void): Logging {
  const lines: string[] = [];
  const destination = {
    write(line: string) {
      write(line);
      lines.push(line);
      if (lines.length > keptLines) lines.shift();
    },
  };
  const formatters = { level: (label: string) => ({ level: label }) };
  const log = pino({ level, base: null, formatters, serializers: { error: pino.stdSerializers.err } }, destination);
  return { log, recent: (maxLength) => lines.join('').slice(-maxLength) };
}
