import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a state, never for a time; fails with what it waited for. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await delay(20);
  }
}
