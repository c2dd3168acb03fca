import type { FromRunner } from '../runner-protocol.js';
import type { Engine } from './engine/engine.js';

const everyMs = 250;
/** What is shorter is no news. */
const worthTellingMs = 250;

/** A computation can't be cut from inside, nor does it keep this thread from its heartbeats: who can end the process is told how long it lasts. */
export function watchRuns(engine: Pick<Engine, 'stats'>, send: (message: FromRunner) => void): void {
  setInterval(() => {
    const { runningMs } = engine.stats();
    if (runningMs >= worthTellingMs) send({ type: 'computing', forMs: Math.round(runningMs) });
  }, everyMs).unref();
}
