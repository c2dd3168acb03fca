import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

/** Programs that a machine may lack. `FLOTILLA_REQUIRE=mosquitto` (a comma between several) turns the skip into a failure. */
const probes = {
  mosquitto: ['mosquitto', ['-h'], 'any'],
  /** With what the Python engine needs; `FLOTILLA_PYTHON` names another interpreter, such as a virtual environment's. */
  python: [process.env['FLOTILLA_PYTHON'] ?? 'python3', ['-c', 'import numpy, onnxruntime'], 0],
} as const;
export const pythonProgram = probes.python[0];

function has(name: keyof typeof probes): boolean {
  const [program, args, wanted] = probes[name];
  const { error, status } = spawnSync(program, args);
  return error === undefined && (wanted === 'any' || status === wanted);
}
const isRequired = (name: string) => (process.env['FLOTILLA_REQUIRE'] ?? '').split(',').includes(name);

/** Runs the tests where the program is there; else they are skipped by name, or, where it is required, run and fail. */
export function describeWith(name: keyof typeof probes, title: string, tests: () => void): void {
  if (has(name) || isRequired(name)) describe(title, tests);
  else describe.skip(`${title} (skipped: no ${name} on this machine)`, tests);
}
