import type { Outcome } from './check.js';

export type Report = {
  target: object;
  passed: number;
  failed: number;
  skipped: number;
  failedMust: number;
  checks: readonly Outcome[];
};

export function reportOf(target: object, checks: readonly Outcome[]): Report {
  const count = (result: Outcome['result']) => checks.filter((check) => check.result === result).length;
  const failedMust = checks.filter(({ result, level }) => result === 'fail' && level === 'MUST').length;
  return { target, passed: count('pass'), failed: count('fail'), skipped: count('skip'), failedMust, checks };
}

/** A line for each check; below a failure what was sent and what came. */
export function table({ checks, passed, failed, skipped, failedMust }: Report): string {
  const width = Math.max(...checks.map(({ id }) => id.length));
  const lines = checks.flatMap(({ id, level, clause, result, why, sent, came }) => [
    `${result.padEnd(4)}  ${level.padEnd(6)}  ${id.padEnd(width)}  ${result === 'pass' ? clause : why}`,
    ...(result === 'fail' ? [`      clause: ${clause}`, `      sent:   ${sent ?? '-'}`, `      came:   ${came ?? '-'}`] : []),
  ]);
  return [...lines, '', `${passed} passed, ${failed} failed (${failedMust} of them MUST), ${skipped} skipped`].join('\n');
}
