import type { ArtifactFailure } from '@flotilla/protocol/device';

/** How a runner ended, as the operating system and the supervisor's own watch tell it. */
export type Exit = Readonly<{
  code: number | null;
  signal: string | null;
  /** The supervisor ended it: no heartbeat came, or it grew above its memory ceiling. */
  endedFor?: { failure: 'crash' | 'memory'; reason: string } | undefined;
  /** The kernel killed something for want of memory while it ran. */
  outOfMemory: boolean;
}>;
/** `outside`: somebody else ended it, which says nothing about the release. */
export type Death = Readonly<{ failure: ArtifactFailure; outside: boolean; reason: string }>;

/** Signals that a process brings on itself. */
const faults = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP', 'SIGXCPU', 'SIGXFSZ']);

export function causeOfDeath({ code, signal, endedFor, outOfMemory }: Exit): Death {
  if (endedFor) return { ...endedFor, outside: false };
  if (signal === 'SIGKILL' && outOfMemory)
    return { failure: 'memory', outside: false, reason: 'the kernel killed the runner: the machine ran out of memory' };
  if (signal !== null) return { failure: 'crash', outside: !faults.has(signal), reason: `the runner ended by ${signal}` };
  return { failure: 'crash', outside: false, reason: `the runner exited with ${code} unasked` };
}
