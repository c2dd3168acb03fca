import { randomUUID } from 'node:crypto';
import type { DesiredState, DeviceId, Digest, Probation, ReportedSlot, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { AssignmentsRepository } from './assignments.repository.js';
import type { AssignmentRow, DeviceRow } from './device.entity.js';
import { DesiredStates } from './desired-states.js';

export interface AssignmentItem {
  device: DeviceId;
  /** Null: the slot is to be stopped. */
  digest: Digest | null;
  /** What the device is to count its inferences against, microseconds by name. */
  slow?: Readonly<Record<string, number>>;
}
export interface AssignmentTerms {
  slot: SlotName;
  /** 'manual', 'rollout:<id>' or 'restored'. */
  owner: string;
  priority?: number;
  probation?: Probation;
}
export interface Assigned {
  device: DeviceId;
  deployment: string | null;
}
type OnRegressed = (tx: EntityManager, detail: string) => Promise<void>;

const defaultProbation: Probation = { inferences: 20, timeoutS: 300 };

@Injectable()
export class AssignmentsService {
  #onRegressed: OnRegressed = () => Promise.resolve();

  constructor(
    @Inject(AssignmentsRepository) private readonly assignments: AssignmentsRepository,
    @Inject(DesiredStates) private readonly desired: DesiredStates,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.assignments.transaction(work);
  }

  async owners(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<string[]> {
    return (await this.assignments.current(tx, slot, devices)).map((row) => row.owner);
  }

  /**
   * Under the devices' locks. A device whose slot has the digest already keeps its deployment and epoch, unless it gave that
   * deployment up: then it is to try again. Devices that are revoked or unknown get null.
   */
  async assign(tx: EntityManager, items: readonly AssignmentItem[], terms: AssignmentTerms): Promise<Assigned[]> {
    const ownership = { priority: 0, probation: defaultProbation, ...terms };
    const devices = items.map((item) => item.device);
    const active = await this.assignments.lock(tx, devices);
    const current = new Map((await this.assignments.current(tx, terms.slot, devices)).map((row) => [row.device, row]));
    const ended = await this.assignments.ended(tx, terms.slot, devices);
    const decided = items.filter((item) => active.has(item.device)).map((item) => decide(item, current.get(item.device), ended));
    const [placed, kept, stopped] = (['place', 'keep', 'stop'] as const).map((what) => decided.filter((d) => d.what === what));
    await this.assignments.upsert(tx, placed as Placed[], ownership);
    await this.assignments.own(
      tx,
      kept!.map((d) => d.device),
      ownership,
    );
    await this.assignments.remove(
      tx,
      terms.slot,
      stopped!.map((d) => d.device),
    );
    await this.assignments.raiseEpochs(
      tx,
      [...placed!, ...stopped!].map((d) => d.device),
    );
    const deployments = new Map(decided.map((d) => [d.device, 'deployment' in d ? d.deployment : null]));
    return devices.map((device) => ({ device, deployment: deployments.get(device) ?? null }));
  }

  /** Something else about these devices' slots has changed than which release they are assigned. */
  changed(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
    return this.assignments.raiseEpochs(tx, devices);
  }

  /** The unsigned desired state, to be signed and sent. */
  desiredFor(tx: EntityManager, device: DeviceId): Promise<{ state: DesiredState; row: DeviceRow }> {
    return this.desired.issue(tx, device);
  }

  /** Who must know, in the same transaction, that the database is older than its devices. */
  whenRegressed(callback: OnRegressed): void {
    this.#onRegressed = callback;
  }

  /**
   * The device knows a later epoch than the database, which was restored from a backup: what it has committed becomes what it
   * should run, so that the restore disturbs nothing, and all rollouts pause.
   */
  async adopt(tx: EntityManager, device: DeviceId, reported: readonly ReportedSlot[], reportedEpoch: number): Promise<void> {
    await this.assignments.lock(tx, [device]);
    await this.assignments.removeAll(tx, device);
    for (const slot of reported) await this.adoptSlot(tx, device, slot);
    await this.assignments.adoptEpoch(tx, device, reportedEpoch + 1);
    const message = `${device} reports epoch ${reportedEpoch}, which this database has not issued: what it runs is adopted, all rollouts pause`;
    const data = { reportedEpoch, slots: reported };
    await this.events.append(tx, { kind: 'state-regressed', actor: 'flotilla', device, message, data });
    await this.#onRegressed(tx, message);
  }

  private async adoptSlot(
    tx: EntityManager,
    device: DeviceId,
    { slot, deployment, digest, committed }: ReportedSlot,
  ): Promise<void> {
    if (committed === undefined) return;
    await this.releases.recover(tx, committed);
    // Its own deployment, where that is what it committed: a slot whose deployment is unchanged is not disturbed.
    const kept = digest === committed ? deployment : undefined;
    const ownership = { slot, owner: 'restored', priority: 0, probation: defaultProbation };
    await this.assignments.upsert(tx, [{ device, deployment: kept ?? randomUUID(), digest: committed }], ownership);
  }
}

type Placed = { what: 'place'; device: DeviceId; deployment: string; digest: Digest; slow: Readonly<Record<string, number>> };
type Decision = Placed | { what: 'keep'; device: DeviceId; deployment: string } | { what: 'stop' | 'nothing'; device: DeviceId };

function decide(
  { device, digest, slow = {} }: AssignmentItem,
  current: AssignmentRow | undefined,
  ended: ReadonlySet<string>,
): Decision {
  if (digest === null) return { what: current ? 'stop' : 'nothing', device };
  if (current?.digest === digest && !ended.has(current.deployment))
    return { what: 'keep', device, deployment: current.deployment };
  return { what: 'place', device, deployment: randomUUID(), digest, slow };
}
