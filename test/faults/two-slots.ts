import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { aManifest, FleetOfOne, until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { canonicalJson, DeploymentId, type DesiredSlot, type Digest, ModelName, SlotName } from '@flotilla/protocol';
import { agentFile } from '../support/agent-files.js';
import { freePorts } from '../support/ports.js';
import { processesBelow } from './process-tree.js';

export const sick = SlotName.parse('sick');
export const healthy = SlotName.parse('healthy');
const probation = { inferences: 1, timeoutS: 60 };
const limits = { maxComputeMs: 60_000, maxRssBytes: 600e6, maxRunMs: 1000 };

/** A supervisor's slots with real runners: one to be made ill, and one beside it that must not notice. */
export class TwoSlots {
  readonly #wanted = new Map<SlotName, DesiredSlot>();
  readonly #neighbours = new Set<number>();
  #deployments = 0;

  private constructor(
    readonly device: FleetOfOne,
    private readonly ports: Readonly<Record<SlotName, number>>,
  ) {}

  static async start(): Promise<TwoSlots> {
    const [one, other] = await freePorts(2);
    const listen = (port: number) => ({ listen: { http: { host: '127.0.0.1', port } } });
    const slots = { [sick]: listen(one!), [healthy]: listen(other!) };
    const device = await FleetOfOne.make({ runnerPath: agentFile('dist/runner/main.js'), slots, limits, deadlines: {} });
    const both = new TwoSlots(device, { [sick]: one!, [healthy]: other! });
    await both.commit(healthy, 'colour');
    for (const pid of runners()) both.#neighbours.add(pid);
    return both;
  }

  /** Brings one of the runner's small models to a slot and has it committed. */
  async commit(slot: SlotName, model: string): Promise<Digest> {
    const { device } = this;
    const picture = { type: 'FP32' as const, shape: [1, 3, 8, 8] };
    const manifest = aManifest(
      device.server,
      { 'model.onnx': readFileSync(agentFile(`src/runner/fixtures/${model}.onnx`)) },
      {
        model: ModelName.parse(model),
        inputs: [{ name: 'images', ...picture }],
        outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }],
      },
    );
    const manifestDigest = device.server.put(canonicalJson(manifest));
    const deployment = DeploymentId.parse(`00000000-0000-4000-8000-${String(++this.#deployments).padStart(12, '0')}`);
    const desired = { slot, deployment, release: `${model}@1.0.0`, manifestDigest, probation };
    this.#wanted.set(slot, desired);
    device.apply([...this.#wanted.values()]);
    await until(
      async () => (await this.ask(slot), device.told(desired).includes('committed')),
      () => `${model} was not committed: ${JSON.stringify(device.told(desired))}`,
      60_000,
    );
    return manifestDigest;
  }

  /** The status of an inference, and what was said where it failed; 0 when the connection did. A bright picture is what the sick models wait for. */
  async ask(slot: SlotName, brightness: 0.5 | 5 = 0.5): Promise<{ status: number; said: string }> {
    const images = { name: 'images', datatype: 'FP32', shape: [1, 3, 8, 8], data: Array.from({ length: 192 }, () => brightness) };
    try {
      const response = await fetch(`http://127.0.0.1:${this.ports[slot]}/v2/models/${slot}/infer`, {
        method: 'POST',
        body: JSON.stringify({ inputs: [images] }),
        signal: AbortSignal.timeout(10_000),
      });
      return { status: response.status, said: await response.text() };
    } catch (error) {
      return { status: 0, said: String(error) };
    }
  }

  /** Milliseconds until the sick slot answers so; undefined when it does not within the time. */
  async answers(status: number, withinMs: number): Promise<{ ms: number; said: string } | undefined> {
    for (const begun = performance.now(); performance.now() - begun < withinMs; await delay(20)) {
      const answer = await this.ask(sick);
      if (answer.status === status) return { ms: performance.now() - begun, said: answer.said };
    }
    return undefined;
  }

  serving(slot: SlotName): Digest | undefined {
    return this.device.slots.reported().find((reported) => reported.slot === slot)?.digest;
  }

  /** Process id of the sick slot's runner. */
  async sickRunner(): Promise<number> {
    const own = () => runners().filter((pid) => !this.#neighbours.has(pid));
    await until(
      () => own().length === 1,
      () => `the sick slot has ${own().length} runners`,
      20_000,
    );
    return own()[0]!;
  }

  /** True while the healthy slot's first runner lives. */
  get neighbourLives(): boolean {
    const alive = runners();
    return [...this.#neighbours].every((pid) => alive.includes(pid));
  }

  end(): Promise<void> {
    return this.device.end();
  }
}

const runners = () =>
  processesBelow(process.pid)
    .filter(({ command }) => command.includes('runner/main.js'))
    .map(({ pid }) => pid);
