import { follow } from '@flotilla/agent/fixtures/event-stream';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import type { Case, FaultSuite } from './fault-suite.js';
import { camera, type Colour, colours, WatchedLine } from './watched-line.js';

const swaps = 50;

/** Cameras, triggers and their peers while models change, runners die and the gateway itself does. */
export const pipeline: FaultSuite = {
  about: `${swaps} swaps while a camera and a trigger client run; a runner and the gateway killed meanwhile [--only swaps,runner,gateway]`,
  run: async (log, wanted) => {
    const line = await WatchedLine.start();
    const faults: [string, () => Promise<Case[]>][] = [
      [`${swaps} swaps`, () => manySwaps(line, log)],
      ['runner killed', () => runnerKilled(line)],
      ['gateway killed', () => gatewayKilled(line)],
    ];
    const cases: Case[] = [];
    try {
      for (const [name, strike] of faults) {
        if (!wanted(name)) continue;
        log(`${name} …`);
        cases.push(...(await strike().catch((error: Error) => [{ name, ok: false, detail: error.message }])));
      }
    } finally {
      await line.end();
    }
    return cases;
  },
};

async function manySwaps(line: WatchedLine, log: (text: string) => void): Promise<Case[]> {
  const frames = await Frames.of(line);
  const client = new TriggerClient(line);
  for (let i = 1; i <= swaps; i++) {
    await line.swap();
    if (i % 10 === 0) log(`  ${i} swaps of two slots, ${client.asked} inspections, ${frames.count} frames`);
  }
  const inspections = await client.end();
  return [
    { name: `${swaps} swaps: inspections`, ok: inspections.length === 0, detail: client.summary(inspections) },
    frames.shownOnce(`${swaps} swaps: frames`),
    frames.undisturbed(`${swaps} swaps: peers`),
    { name: `${swaps} swaps: alarms`, ...none(line.device.alarms) },
  ];
}

/** With frames and an inspection under way: they wait for the runner that follows. */
async function runnerKilled(line: WatchedLine): Promise<Case[]> {
  const frames = await Frames.of(line);
  const client = new TriggerClient(line);
  const [before, died] = [line.device.runnerPids(), line.device.alarms.length];
  for (const pid of before) process.kill(pid, 'SIGKILL');
  const counted = frames.count;
  await until(
    () => frames.count > counted + 30 && line.device.runnerPids().length === before.length,
    () => 'frames did not go on',
  );
  const inspections = await client.end();
  return [
    { name: 'runner killed: inspections', ok: inspections.length === 0, detail: client.summary(inspections) },
    frames.shownOnce('runner killed: frames'),
    frames.undisturbed('runner killed: peers'),
    { name: 'runner killed: alarms', ok: true, detail: line.device.alarms.slice(died).join('; ') || 'none' },
  ];
}

/** Its peers see it go; the slots' own clients see nothing, and sources come back by themselves. */
async function gatewayKilled(line: WatchedLine): Promise<Case[]> {
  const pid = line.device.gateway!.pid!;
  const serving = line.device.slots.reported().map(({ digest }) => digest);
  process.kill(pid, 'SIGKILL');
  await until(
    () => line.device.gateway!.pid !== undefined && line.device.gateway!.pid !== pid,
    () => 'it was not begun again',
  );
  const frames = await Frames.of(line);
  await until(
    () => frames.count > 10,
    () => 'the camera did not come back',
  );
  const answer = await line.inspect('after-the-gateway', 'green');
  const same = line.device.slots.reported().every(({ digest }, i) => digest === serving[i]);
  return [
    { name: 'gateway killed: camera', ok: true, detail: `${frames.count} frames since` },
    { name: 'gateway killed: trigger', ok: answer.label === 'green', detail: JSON.stringify(answer) },
    { name: 'gateway killed: slots', ok: same, detail: 'the same releases serve' },
  ];
}

/** What somebody who follows the camera's results sees. */
class Frames {
  private constructor(private readonly reader: Awaited<ReturnType<typeof follow>>) {}

  static async of(line: WatchedLine): Promise<Frames> {
    return new Frames(await follow(`${line.url}/v1/slots/${camera}/results/stream`));
  }

  get count(): number {
    return this.reader.predictions().length;
  }

  shownOnce(name: string): Case {
    const seen = this.reader
      .predictions()
      .map(({ data }) => JSON.parse(data!) as { source: string; capturedAt: string; top: { label: string }[] });
    const twice = seen.length - new Set(seen.map(({ source, capturedAt }) => `${source} ${capturedAt}`)).size;
    const wrong = seen.filter(({ source, top }) => top[0]?.label !== colourOf(source)).length;
    return { name, ok: twice === 0 && wrong === 0, detail: `${seen.length} results, ${twice} shown twice, ${wrong} wrong` };
  }

  /** The stream goes on, and its numbers without a gap. */
  undisturbed(name: string): Case {
    const ids = this.reader.predictions().map(({ id }) => Number(id));
    const gaps = ids.filter((id, i) => i > 0 && id !== ids[i - 1]! + 1).length;
    const moved = this.reader.events.filter(({ event }) => event === 'moved').length;
    return { name, ok: gaps === 0 && moved === 0, detail: `${gaps} gaps in the numbers, sent on ${moved} times` };
  }
}

/** Of the recording's frame of that number. */
const colourOf = (source: string): Colour => colours[(Number(source.split('#')[1]) - 1) % colours.length]!;

/** A controller that has part after part inspected. */
class TriggerClient {
  asked = 0;
  readonly #wrong: string[] = [];
  #ended = false;
  readonly #loop: Promise<void>;

  constructor(private readonly line: WatchedLine) {
    this.#loop = this.#work();
  }

  /** What was lost, or answered with another's result. */
  async end(): Promise<string[]> {
    this.#ended = true;
    await this.#loop;
    return this.#wrong;
  }

  summary(wrong: readonly string[]): string {
    return `${this.asked} inspections, ${wrong.length} lost or wrong${wrong.length > 0 ? `: ${wrong.slice(0, 3).join('; ')}` : ''}`;
  }

  async #work(): Promise<void> {
    const series = Math.random().toString(36).slice(2, 8);
    while (!this.#ended) {
      const [id, colour] = [`${series}-${++this.asked}`, colours[this.asked % colours.length]!];
      const answer = await this.line.inspect(id, colour);
      if (answer.status !== 200 || answer.id !== id || answer.label !== colour)
        this.#wrong.push(`${id} (${colour}): ${JSON.stringify(answer)}`);
    }
  }
}

const none = (alarms: readonly string[]) => ({ ok: alarms.length === 0, detail: alarms.length > 0 ? alarms.join('; ') : 'none' });
