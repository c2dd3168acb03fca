import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usualDeadlines } from '@flotilla/agent/supervisor/slot-deadlines';
import { SlotRunners } from '@flotilla/agent/supervisor/slot-runners';
import { answerParent } from './child.js';
import { blazeface, blazefaceSteps } from './models.js';
import {
  type BenchRelease,
  benchSlot,
  bindAll,
  deployment,
  limits,
  releaseOf,
  runnerProgram,
  type Targets,
} from './served-model.js';

/** `swap`: to the other release; answered when it serves. */
export type SupervisorQuestion = 'start' | 'swap' | 'stop';

/** What a supervisor does for one slot, with its own code and real runners, alone in a process so that its memory can be read. */
class SwappingSupervisor {
  #run = 0;
  readonly #deaths: string[] = [];

  private constructor(
    private readonly folder: string,
    private readonly releases: readonly [BenchRelease, BenchRelease],
    private readonly runners: SlotRunners,
    readonly targets: Targets,
    private readonly closeSockets: () => void,
    deaths: string[],
  ) {
    this.#deaths = deaths;
  }

  static async begin(): Promise<SwappingSupervisor> {
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
    const releases = [
      await releaseOf(blazeface, blazefaceSteps),
      await releaseOf(blazeface, { ...blazefaceSteps, version: '1.0.1' }),
    ] as const;
    const { sockets, targets } = await bindAll(folder);
    const deaths: string[] = [];
    const runners = new SlotRunners({
      slot: benchSlot,
      program: runnerProgram((line) => console.log(`  ${line}`)),
      sockets,
      addresses: [],
      limits: { ...limits, workers: 1 },
      predictions: { file: join(folder, 'predictions.jsonl'), maxBytes: 1e6, keep: 1 },
      windowS: 10,
      engineFor: () => ({ providers: ['cpu'] }),
      engineCache: () => folder,
      plan: () => ({ sequential: false }),
      deadlines: usualDeadlines,
      open: async (digest) => releases.find((release) => release.digest === digest)!,
      onHeartbeat: () => undefined,
      onDied: (_run, { reason }) => deaths.push(reason),
      onWindow: () => undefined,
      onAlarm: (name, message) => console.log(`  ${name}: ${message}`),
    });
    return new SwappingSupervisor(folder, releases, runners, targets, () => sockets.close(), deaths);
  }

  async swap(): Promise<void> {
    const { digest, variant, manifest } = this.releases[this.#run % 2]!;
    this.#run += 1;
    const committed = { deployment, digest, variant, release: `${manifest.model}@${manifest.version}` };
    const activation = await this.runners.activate(this.#run, committed, new AbortController().signal);
    if (activation.type !== 'activated') throw new Error(`swap ${this.#run} ${activation.type}: ${String(activation.error)}`);
    if (this.#deaths.length > 0) throw new Error(`a runner died: ${this.#deaths.join('; ')}`);
  }

  async stop(): Promise<void> {
    await this.runners.stop();
    this.closeSockets();
    await Promise.all([...this.releases.map((release) => release.remove()), rm(this.folder, { recursive: true, force: true })]);
  }
}

const supervisor = await SwappingSupervisor.begin();
answerParent<{ do: SupervisorQuestion }>(async (question): Promise<Targets | undefined> => {
  if (question.do === 'stop') await supervisor.stop();
  else await supervisor.swap();
  return question.do === 'start' ? supervisor.targets : undefined;
});
