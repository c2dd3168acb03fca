import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlotillaClient } from '@flotilla/control-plane/cli/flotilla-client';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import type { DeviceView, ReleaseView, RolloutPlanInput, RolloutView, StageView } from '@flotilla/protocol';
import { slot } from './devices.js';
import { models } from './fleet.js';
import type { Progress } from './progress.js';

/** An act that did not go as told. `code` is the exit code of `npm start -- --once`. */
export class ActFailed extends Error {
  override readonly name = 'ActFailed';
  constructor(
    message: string,
    readonly code: 1 | 3 = 1,
  ) {
    super(message);
  }
}

const model = 'product-classifier';
const ended = new Set<RolloutView['phase']>(['completed', 'rolled-back', 'rollback-incomplete', 'cancelled', 'paused']);
/** Far beyond what two idle cores need: a busy machine is slow, not wrong. */
const rolloutLimitMs = 600_000;

/** The same plan for every act: one device, two, the rest; the gates compare with the incumbent on the same device. */
const planFor = (version: string): RolloutPlanInput => ({
  name: `${model}-${version}`,
  release: `${model}@${version}`,
  slot,
  target: 'fleet=local',
  stages: [
    { name: 'first', count: 1, soak: 2, deadline: 300 },
    { name: 'second', count: 2, soak: 2, deadline: 300 },
    { name: 'rest', percent: 100, soak: 3, deadline: 300 },
  ],
  gates: [
    { metric: 'compute.mean', ratioToIncumbent: 1.5, minInferences: 50, margin: 0.3 },
    { metric: 'errors', max: 0.02, minInferences: 50, margin: 0.3 },
  ],
  // Ten faultless windows of a second each are enough here; a real fleet asks for more.
  evidence: { falseAlarm: 0.01, pass: 0.2, baselineWindows: 5, baselineInferences: 40 },
  success: { committed: 0.98, coverage: 0.9, deviceDeadline: 60 },
  probation: { inferences: 20, timeoutS: 30 },
  onBreach: 'roll-back',
});

/** The main job in four acts. Each ends as told or throws ActFailed. */
export class Story {
  constructor(
    private readonly client: FlotillaClient,
    private readonly progress: Progress,
  ) {}

  /** Told before on this data: releases are there and every device runs the last one. */
  async wasTold(): Promise<boolean> {
    const releases = await this.client.releases.list();
    const last = releases.find((release) => release.version === '1.2.0');
    return last !== undefined && (await this.#running(last.digest)) === (await this.#devices()).length;
  }

  async tell(): Promise<void> {
    await this.#clearTheStage();
    await this.#first();
    await this.#regression();
    await this.#broken();
    await this.#better();
  }

  /** Its first act, and the release that is brought to the fleet at its end. */
  async begin(): Promise<void> {
    await this.#clearTheStage();
    await this.#first();
    await this.#push('1.2.0');
  }

  /** A story that was cut short may have left a rollout under way. */
  async #clearTheStage(): Promise<void> {
    for (const rollout of await this.client.rollouts.list()) {
      if (rollout.phase === 'running' || rollout.phase === 'paused')
        await this.client.rollouts.command(rollout.id, { type: 'cancel' });
    }
  }

  async #first(): Promise<void> {
    this.progress.line('Act 1: release 1.0.0 is pushed and brought to the fleet');
    const release = await this.#push('1.0.0');
    const devices = await this.#devices();
    const inUse = devices.some((device) => device.slots.some((s) => s.reported?.committed !== undefined));
    if (inUse) return this.#bringBack(release, devices);
    const rollout = await this.#roll('1.0.0');
    if (rollout.phase !== 'completed') throw new ActFailed(`act 1: 1.0.0 should reach everyone; it is ${inWords(rollout)}`);
    this.progress.line(`  1.0.0 runs on ${await this.#running(release.digest)} of ${devices.length} devices`);
    this.#evidence(rollout);
  }

  /** The story was told on this data before: back to its beginning, by hand, without a gate. */
  async #bringBack(release: ReleaseView, devices: readonly DeviceView[]): Promise<void> {
    const probation = { inferences: 20, timeoutS: 30 };
    await this.client.assignments.assign({ release: release.name, slot, target: 'fleet=local', probation });
    for (const deadline = Date.now() + 60_000; ; await delay(300)) {
      const running = await this.#running(release.digest);
      this.progress.update('back to 1.0.0', running, devices.length, 'assigned by hand');
      if (running === devices.length) return;
      if (Date.now() > deadline)
        throw new ActFailed(`act 1: only ${running} of ${devices.length} devices went back to 1.0.0 within 60 s`);
    }
  }

  async #regression(): Promise<void> {
    this.progress.line('Act 2: release 1.1.0 is as accurate, as small, and slower');
    await this.#push('1.1.0');
    const rollout = await this.#roll('1.1.0');
    if (rollout.phase === 'completed')
      throw new ActFailed(`act 2: this CPU does not show the regression: ${figures(rollout)}`, 3);
    const breached = rollout.stages[0]!.gates.some((gate) => gate.metric === 'compute.mean' && gate.verdict === 'breach');
    if (rollout.phase !== 'rolled-back' || !breached)
      throw new ActFailed(`act 2: 1.1.0 should breach in its first stage and be rolled back; it is ${inWords(rollout)}`);
    this.progress.line(`  taken back from stage "first": ${rollout.detail}`);
    this.#evidence(rollout);
  }

  async #broken(): Promise<void> {
    this.progress.line('Act 3: release 1.3.0 has a broken quantization');
    const release = await this.#push('1.3.0');
    const rollout = await this.#roll('1.3.0');
    const reason = await this.#failureOf(release.digest);
    if (rollout.phase !== 'rolled-back' || !reason?.includes('golden'))
      throw new ActFailed(
        `act 3: 1.3.0 should fail its golden cases on the first device and be rolled back; it is ${inWords(rollout)}`,
      );
    this.progress.line(`  taken back from stage "first": ${reason}`);
  }

  /** What the log says of the first device that could not run this digest. */
  async #failureOf(digest: string): Promise<string | undefined> {
    const failures = await this.client.events.list({ kind: 'update-failed' }, 50);
    return failures.find((event) => event.data['digest'] === digest)?.message;
  }

  async #better(): Promise<void> {
    this.progress.line('Act 4: release 1.2.0 is better');
    const release = await this.#push('1.2.0');
    const rollout = await this.#roll('1.2.0');
    const [running, devices] = [await this.#running(release.digest), await this.#devices()];
    if (rollout.phase !== 'completed' || running !== devices.length)
      throw new ActFailed(
        `act 4: 1.2.0 should reach everyone; it is ${inWords(rollout)} and runs on ${running} of ${devices.length}`,
      );
    this.progress.line(`  1.2.0 runs on ${running} of ${devices.length} devices`);
    this.#evidence(rollout);
  }

  /** What each gate's verdict rests on: capital won by betting for the release, or against it. */
  #evidence({ plan, stages }: RolloutView): void {
    const { falseAlarm, pass } = plan.evidence;
    this.progress.line(`  evidence (false alarm ${falseAlarm}, margin 0.3, pass ${pass}: ten faultless windows a gate):`);
    for (const stage of stages.filter(({ phase }) => phase !== 'pending'))
      for (const gate of stage.gates)
        this.progress.line(
          `    ${stage.name.padEnd(6)}  ${gate.metric.padEnd(12)}  ${gate.verdict.padEnd(14)}  ${gate.evidence}`,
        );
  }

  async #push(version: string): Promise<ReleaseView> {
    const release = await pushRelease(this.client, join(models, 'releases', version));
    this.progress.line(`  pushed ${release.name} (${(release.sizeBytes / 1e6).toFixed(1)} MB, ${release.digest.slice(0, 12)})`);
    return release;
  }

  /** Creates the rollout and watches it to its end. */
  async #roll(version: string): Promise<RolloutView> {
    let rollout = await this.client.rollouts.create(planFor(version));
    for (const deadline = Date.now() + rolloutLimitMs; !ended.has(rollout.phase); await delay(300)) {
      if (Date.now() > deadline)
        throw new ActFailed(`the rollout of ${version} did not end within ${rolloutLimitMs / 1000} s; it is ${inWords(rollout)}`);
      rollout = await this.client.rollouts.show(rollout.id);
      rollout.stages.forEach((stage) => this.#show(stage));
    }
    this.progress.settle();
    return rollout;
  }

  #show(stage: StageView): void {
    if (stage.phase === 'pending') return;
    const { counts } = stage;
    const total =
      counts.waiting +
      counts.open +
      counts.committed +
      counts.unproven +
      counts.failedArtifact +
      counts.failedPlace +
      counts.timedOut +
      counts.rejected +
      counts.deferred +
      counts.rolledBack;
    const gate = stage.gates.find((g) => g.verdict === 'breach') ?? stage.gates.find((g) => g.verdict === 'insufficient');
    this.progress.update(
      `stage ${stage.name}`,
      counts.committed,
      Math.max(total, 1),
      stage.phase === 'analysing' && gate ? `${stage.phase}, ${gate.evidence}` : stage.phase,
    );
  }

  #devices(): Promise<DeviceView[]> {
    return this.client.devices.list();
  }

  /** How many devices have committed this digest and say that they run it. */
  async #running(digest: string): Promise<number> {
    const devices = await this.#devices();
    return devices.filter((d) =>
      d.slots.some((s) => s.slot === slot && s.reported?.committed === digest && s.reported.digest === digest),
    ).length;
  }
}

const inWords = ({ phase, reason, detail }: RolloutView) =>
  [phase, ...(reason ? [`(${reason})`] : []), ...(detail ? [`: ${detail}`] : [])].join(' ');
const figures = (rollout: RolloutView) =>
  rollout.stages
    .map((stage) => `${stage.name}: ${stage.gates.find((gate) => gate.metric === 'compute.mean')?.evidence ?? 'no figures'}`)
    .join('; ');
