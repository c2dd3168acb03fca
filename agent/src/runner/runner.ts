import type { FromRunner, ToRunner } from '../runner-protocol.js';
import type { Engine } from './engine/engine.js';
import { ReleaseFault } from './fault.js';
import { type LoadOrder, type LoadedRelease, type ServeOrder, loadRelease } from './loading.js';
import type { Logger } from '../log.js';
import { heldBytes, peakBytes } from './memory.js';
import { openSecurity } from '../http/open-security.js';
import { preflight, prove } from './preflight.js';
import type { Security } from '../http/security.js';
import { Serving } from './serving.js';
import { inherited } from './http/slot-listeners.js';

type Surroundings = {
  engine: Engine;
  log: Logger;
  send: (message: FromRunner) => void;
  /** Ends the process once all that was sent is out; it may have to be killed where the engine still computes. */
  leave: (code: number) => void;
};

/** The process's life: new → loading → ready → active → draining. Orders are taken one after the other, in the order they came. */
export class Runner {
  #serving: Serving | undefined;
  #security: Security | undefined;
  #loading = false;
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly around: Surroundings) {}

  take(message: ToRunner): Promise<void> {
    this.#last = this.#last.then(() => this.#obey(message));
    return this.#last;
  }

  async #obey(message: ToRunner): Promise<void> {
    const { send, leave } = this.around;
    switch (message.type) {
      case 'preflight':
        await this.#load(message, () => this.#preflight(message));
        break;
      case 'measure':
        await this.#load(message, () => this.#measure(message));
        break;
      case 'serve':
        await this.#load(message, () => this.#serve(message));
        break;
      case 'activate':
        await this.#ready(message.type).activate();
        send({ type: 'activated' });
        break;
      case 'secure':
        this.#security?.renew(message.credentials);
        break;
      case 'configure':
        this.#ready(message.type).configure(message);
        break;
      case 'drain':
        await this.#drain(message.graceMs);
        leave(0);
    }
  }

  async #load(order: LoadOrder, work: () => Promise<void>): Promise<void> {
    if (this.#loading)
      throw new Error(`"${order.type}" came to a runner that has a release already: it is one process for one release`);
    this.#loading = true;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ReleaseFault)) throw error;
      const { failure, message: reason, figures } = error;
      this.around.log.error({ failure, reason }, 'the release is at fault');
      this.around.send({ type: 'failed', failure, reason, figures });
      this.around.leave(0);
    }
  }

  async #preflight(order: LoadOrder): Promise<void> {
    const { engine } = this.around;
    const figures = await preflight(order, engine, () => peakBytes(engine));
    this.around.send({ type: 'preflighted', figures });
    this.around.leave(0);
  }

  async #measure(order: Extract<ToRunner, { type: 'measure' }>): Promise<void> {
    const { engine, send, leave } = this.around;
    const { makeBaseline } = await import('./baseline/make-baseline.js');
    const onProgress = (fraction: number) => send({ type: 'progress', phase: 'measuring', fraction });
    send({ type: 'measured', ...(await makeBaseline(order, engine, onProgress)) });
    leave(0);
  }

  async #serve(order: ServeOrder): Promise<void> {
    const { engine, send, log } = this.around;
    // Read while the engine's own thread loads the model.
    if (order.listen.grpc !== undefined) void import('./grpc/slot-server.js');
    const release = await loadRelease(order, engine);
    if (order.prove) send({ type: 'preflighted', figures: await prove(release, order, engine, () => peakBytes(engine)) });
    this.#tell(release);
    const security = (this.#security = await openSecurity(order.credentials));
    this.#serving = new Serving(order, release, { engine, send, log, security, listen: inherited(order.listen) });
    if (order.rehearse) await this.#serving.rehearse();
    const { loadMs, provider, shortfall } = release.model;
    send({ type: 'ready', loadMs, rssBytes: heldBytes(engine), provider, shortfall });
  }

  #tell({ name, batching, model, unproven }: LoadedRelease): void {
    if (unproven !== undefined)
      this.around.log.warn(
        { release: name, reason: unproven },
        'the model takes no made-up input, so that it was neither warmed up nor timed: give its inputs an "example" in release.yaml',
      );
    if (model.shortfall)
      this.around.log.warn(
        { release: name, provider: model.provider, reason: model.shortfall },
        'a provider that was asked for is not used',
      );
    if (batching?.on) this.around.log.info({ release: name, ...batching }, 'requests are batched');
    else if (batching) this.around.log.warn({ release: name, reason: batching.why }, 'requests are not batched');
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#serving && !(await this.#serving.drain(graceMs)))
      this.around.log.warn({ graceMs }, 'the grace was over before all was answered');
  }

  #ready(asked: string): Serving {
    if (!this.#serving) throw new Error(`"${asked}" came before "serve"`);
    return this.#serving;
  }
}
