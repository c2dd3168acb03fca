import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

/** Programs that a machine may lack. `FLOTILLA_REQUIRE=mosquitto` (a comma between several) turns the skip into a failure. */
const probes = { mosquitto: ['mosquitto', ['-h']] } as const;

const has = (name: keyof typeof probes) => spawnSync(probes[name][0], probes[name][1]).error === undefined;
const isRequired = (name: string) => (process.env['FLOTILLA_REQUIRE'] ?? '').split(',').includes(name);

/** Runs the tests where the program is there; else they are skipped by name, or, where it is required, run and fail. */
export function describeWith(name: keyof typeof probes, title: string, tests: () => void): void {
  if (has(name) || isRequired(name)) describe(title, tests);
  else describe.skip(`${title} (skipped: no ${name} on this machine)`, tests);
}
