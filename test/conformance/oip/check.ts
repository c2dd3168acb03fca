/** As RFC 2119 uses the words: a failed MUST is a server that does not speak the protocol, a failed SHOULD one that will surprise a client. */
export type Level = 'MUST' | 'SHOULD' | 'MAY';

/** One clause of the protocol put to the test; `id` stays the same over versions of this kit. */
export type Check<Context> = { id: string; level: Level; clause: string; run: (context: Context) => Promise<void> | void };

export type Outcome = Omit<Check<never>, 'run'> & {
  result: 'pass' | 'fail' | 'skip';
  /** Why it failed or was skipped; of a failure also the last thing sent and what came back. */
  why?: string;
  sent?: string;
  came?: string;
};

/** The server did not do what the clause says. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** The clause does not apply to this server or model. */
export class NotApplicable extends Error {
  override readonly name = 'NotApplicable';
}

export function hold(condition: unknown, otherwise: string): asserts condition {
  if (!condition) throw new Violation(otherwise);
}

export function skip(why: string): never {
  throw new NotApplicable(why);
}

/** What the client last sent and got: said with a failure, so that nobody needs a packet trace. */
export type Trace = { sent: string; came: string };

export async function runChecks<Context>(
  checks: readonly Check<Context>[],
  context: Context,
  trace: () => Trace | undefined,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  // One after the other: a check must not be able to disturb another.
  for (const { id, level, clause, run } of checks) {
    try {
      await run(context);
      outcomes.push({ id, level, clause, result: 'pass' });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof NotApplicable) outcomes.push({ id, level, clause, result: 'skip', why });
      else outcomes.push({ id, level, clause, result: 'fail', why, ...trace() });
    }
  }
  return outcomes;
}
