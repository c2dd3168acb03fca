import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import type { Case, FaultSuite } from './fault-suite.js';
import { healthy, sick, TwoSlots } from './two-slots.js';

type Fault = { name: string; model: string; strike: (slots: TwoSlots, runner: number) => void };

const bright = (slots: TwoSlots) => void slots.ask(sick, 5);
const faults: readonly Fault[] = [
  { name: 'a model that hangs', model: 'endless', strike: bright },
  { name: 'a model that allocates without bound', model: 'hungry', strike: bright },
  { name: 'a runner that is killed', model: 'endless', strike: (_slots, runner) => process.kill(runner, 'SIGKILL') },
  { name: 'a runner that aborts', model: 'endless', strike: (_slots, runner) => process.kill(runner, 'SIGABRT') },
];
/** So many deaths within a minute are a loop. */
const deathsOfALoop = 3;
const againWithinMs = 2000;
const toldWithinMs = 1000;

/** Each fault alone, in a loop with a last good release, and in a loop without one; another slot serves meanwhile. */
export const runner: FaultSuite = {
  about:
    'models that hang or devour memory, runners that are killed or abort, alone and in a loop, beside a slot that must not notice [--only hangs,killed]',
  run: async (log, wanted) => {
    const cases: Case[] = [];
    for (const fault of faults.filter(({ name }) => wanted(name))) {
      log(`${fault.name} …`);
      cases.push(...(await attempted(`${fault.name}, with a last good release`, (slots) => withLastGood(fault, slots))));
      cases.push(...(await attempted(`${fault.name}, without a last good release`, (slots) => withoutLastGood(fault, slots))));
    }
    return cases;
  },
};

/** The cases of one scenario and the neighbour's own. What can't even be tried has failed. */
async function attempted(name: string, scenario: (slots: TwoSlots) => Promise<Case[]>): Promise<Case[]> {
  const slots = await TwoSlots.start();
  const neighbour = new Neighbour(slots);
  try {
    return [...(await scenario(slots)), await neighbour.verdict(`${name}: the other slot`)];
  } catch (error) {
    return [{ name, ok: false, detail: (error as Error).message }];
  } finally {
    await neighbour.verdict(name);
    await slots.end();
  }
}

async function withLastGood(fault: Fault, slots: TwoSlots): Promise<Case[]> {
  const lastGood = await slots.commit(sick, 'colour');
  await slots.commit(sick, fault.model);
  const alone = await strike(fault, slots);
  const back = await slots.answers(200, 10_000);
  for (let death = 2; death <= deathsOfALoop; death++) {
    await strike(fault, slots);
    if (death < deathsOfALoop) await slots.answers(200, 10_000);
  }
  const after = await slots.answers(200, 10_000);
  const isLastGood = slots.serving(sick) === lastGood;
  return [
    soon(`${fault.name}, alone: serving again`, back, againWithinMs, `it was gone after ${alone.toFixed(0)} ms`),
    soon(`${fault.name}, in a loop: serving again`, after, againWithinMs, `after ${deathsOfALoop} deaths`),
    { name: `${fault.name}, in a loop: last good`, ok: isLastGood, detail: isLastGood ? 'it serves' : 'something else serves' },
  ];
}

async function withoutLastGood(fault: Fault, slots: TwoSlots): Promise<Case[]> {
  await slots.commit(sick, fault.model);
  for (let death = 1; death <= deathsOfALoop; death++) {
    await strike(fault, slots);
    if (death < deathsOfALoop) await slots.answers(200, 10_000);
  }
  const told = await slots.answers(503, 10_000);
  const name = `${fault.name}, in a loop without a last good release`;
  const reason = {
    name: `${name}: the reason`,
    ok: /safe mode/.test(told?.said ?? ''),
    detail: told?.said ?? 'nothing was said',
  };
  return [soon(`${name}: 503`, told, toldWithinMs, `after ${deathsOfALoop} deaths`), reason];
}

/** Milliseconds from the blow until the runner is gone. */
async function strike({ strike: hit }: Fault, slots: TwoSlots): Promise<number> {
  const victim = await slots.sickRunner();
  const begun = performance.now();
  hit(slots, victim);
  await until(
    () => !isAlive(victim),
    () => 'the runner outlived it by 15 s',
    15_000,
  );
  return performance.now() - begun;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: there is no such process any more
  }
}

function soon(name: string, answer: { ms: number } | undefined, withinMs: number, how: string): Case {
  if (!answer) return { name, ok: false, detail: `not within 10 s; ${how}` };
  return { name, ok: answer.ms <= withinMs, detail: `${answer.ms.toFixed(0)} ms, at most ${withinMs}; ${how}` };
}

/** Asks the healthy slot all the while. */
class Neighbour {
  #asked = 0;
  readonly #failures: string[] = [];
  #over = false;
  readonly #asking: Promise<void>;

  constructor(private readonly slots: TwoSlots) {
    this.#asking = this.#ask();
  }

  async verdict(name: string): Promise<Case> {
    this.#over = true;
    await this.#asking;
    const ok = this.#asked > 0 && this.#failures.length === 0 && this.slots.neighbourLives;
    const runner = this.slots.neighbourLives ? 'its runner lives' : 'its runner is another';
    return { name, ok, detail: `${this.#asked} answered, ${this.#failures.length} failed ${this.#failures[0] ?? ''}; ${runner}` };
  }

  async #ask(): Promise<void> {
    while (!this.#over) {
      const { status, said } = await this.slots.ask(healthy);
      if (status === 200) this.#asked += 1;
      else this.#failures.push(`${status}: ${said.slice(0, 200)}`);
      await delay(10);
    }
  }
}
