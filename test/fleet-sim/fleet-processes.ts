import { constants, setPriority } from 'node:os';
import type { FleetCounts, FleetUse, MakeOptions, OutboxLook } from './fleet-main.js';
import type { Air } from './faulty-air.js';
import { FleetProcess } from './fleet-process.js';
import type { FleetIdentity } from './identities.js';

/** One fleet in several processes, so that a device waits for few others where on a board of its own it would wait for none. */
export class FleetProcesses {
  readonly #parts: readonly FleetProcess[];

  constructor(count = 1) {
    this.#parts = Array.from({ length: count }, () => new FleetProcess());
  }

  /** Boards have processors of their own: what serves them must not have less for their sake. */
  giveWay(): void {
    for (const { pid } of this.#parts) setPriority(pid, constants.priority.PRIORITY_LOW);
  }

  async make(identity: FleetIdentity, options: MakeOptions): Promise<void> {
    const count = this.#parts.length;
    const devicesOf = (part: number) => identity.devices.filter((_, i) => i % count === part);
    await this.#each((process, part) =>
      process.make({ ...identity, devices: devicesOf(part) }, { ...options, seed: (options.seed ?? 1) * count + part }),
    );
  }

  join = (perS: number, withinMs: number) => this.#each((each) => each.join(perS / this.#parts.length, withinMs));
  reported = async (digest: string, withinMs: number) => (await this.#each((each) => each.reported(digest, withinMs))).flat();
  welcomed = (withinMs: number) => this.#each((each) => each.welcomed(withinMs));
  recordEvery = (windowS: number) => this.#each((each) => each.recordEvery(windowS));
  record = (times: number, windowS: number) => this.#each((each) => each.record(times, windowS));
  air = (air: Air) => this.#each((each) => each.air(air));
  airCounts = async () => (await this.#each((each) => each.airCounts())).flat();
  jump = async (ms: number): Promise<void> => void (await this.#each((each) => each.jump(ms)));
  outboxes = async (): Promise<OutboxLook[]> => (await this.#each((each) => each.outboxes())).flat();
  drain = (withinMs: number) => this.#each((each) => each.drain(withinMs));
  counts = async (): Promise<FleetCounts> => (await this.#each((each) => each.counts())).reduce(added);
  end = () => this.#each((each) => each.end());

  /** `stalledS`: of the one that was busy for the longest. */
  async use(): Promise<FleetUse> {
    const uses = await this.#each((each) => each.use());
    return uses.reduce((all, { rssMb, cpuS, stalledS }) => ({
      rssMb: all.rssMb + rssMb,
      cpuS: all.cpuS + cpuS,
      stalledS: Math.max(all.stalledS, stalledS),
    }));
  }

  #each<T>(ask: (process: FleetProcess, part: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#parts.map(ask));
  }
}

const added = (one: FleetCounts, other: FleetCounts): FleetCounts => ({
  devices: one.devices + other.devices,
  welcomed: one.welcomed + other.welcomed,
  connects: one.connects + other.connects,
  held: one.held + other.held,
  dropped: one.dropped + other.dropped,
  refused: one.refused + other.refused,
  falls: addedFalls(one.falls, other.falls),
});

const addedFalls = (one: FleetCounts['falls'], other: FleetCounts['falls']): FleetCounts['falls'] =>
  Object.fromEntries(
    [...new Set([...Object.keys(one), ...Object.keys(other)])].map((why) => [why, (one[why] ?? 0) + (other[why] ?? 0)]),
  );
