import type { Family, Labels } from '../../http/exposition.js';

/** What each step of the pipeline has cost since the release was loaded. */
export class StepClock {
  readonly #steps = new Map<string, { count: number; sumMs: number }>();

  constructor(names: readonly string[]) {
    for (const name of names) this.#steps.set(name, { count: 0, sumMs: 0 });
  }

  add(name: string, sinceMs: number): void {
    const step = this.#steps.get(name) ?? { count: 0, sumMs: 0 };
    this.#steps.set(name, step);
    step.count += 1;
    step.sumMs += performance.now() - sinceMs;
  }

  families(labels: Labels): Family[] {
    if (this.#steps.size === 0) return [];
    const samples = [...this.#steps].flatMap(([step, { count, sumMs }]) => [
      { suffix: '_sum' as const, labels: { ...labels, step }, value: sumMs / 1000 },
      { suffix: '_count' as const, labels: { ...labels, step }, value: count },
    ]);
    const help = 'What the steps around the model took; the picture is decoded while resize asks for its pixels.';
    return [{ name: 'flotilla_pipeline_step_seconds', type: 'summary', help, samples }];
  }
}
