import type { BareQuestion, BareRun } from './bare-main.js';
import { Child } from './child.js';
import type { ModelUnderTest } from './models.js';

/** ONNX Runtime alone in a loop, in a process of its own. */
export class BareLoop {
  readonly #child = new Child(new URL('bare-main.js', import.meta.url));

  static async of(model: ModelUnderTest): Promise<BareLoop> {
    const loop = new BareLoop();
    await loop.#ask({ load: model });
    return loop;
  }

  run(ms: number): Promise<BareRun> {
    return this.#ask({ runForMs: ms });
  }

  end(): Promise<void> {
    return this.#child.end();
  }

  #ask<T>(question: BareQuestion): Promise<T> {
    return this.#child.ask<T>(question);
  }
}
