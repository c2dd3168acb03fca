import { randomUUID } from 'node:crypto';
import type { DesiredState, DeviceId, Digest, Probation, SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BlocksService } from '../blocks/blocks.service.js';
import { blockedInWords, blockOn, decide, type Decision, priorities, type Refusal } from '../core/assignment.js';
import { type Addressed, AssignmentsRepository, type NewAssignment, type Ownership } from './assignments.repository.js';
import { DesiredStates } from './desired-states.js';
import { SlotCommits } from './slot-commits.js';

interface AssignmentItem {
  device: DeviceId;
  /** Null: the slot is to be stopped. */
  digest: Digest | null;
  /** What the device is to count its inferences against, microseconds by name. */
  slow?: Readonly<Record<string, number>>;
}
export interface AssignmentTerms {
  slot: SlotName;
  /** 'manual', 'rollout:<id>', 'pin', 'kill:<id>' or 'restored'. */
  owner: string;
  /** The owner's kind says it where it is left out. */
  priority?: number;
  probation?: Probation;
  actor?: string;
  reason?: string;
}
export interface Assigned {
  device: DeviceId;
  deployment: string | null;
  /** What was in the way: nothing has changed for the device. */
  refused?: Refusal;
}

const defaultProbation: Probation = { inferences: 20, timeoutS: 300 };

@Injectable()
export class AssignmentsService {
  constructor(
    @Inject(AssignmentsRepository) private readonly assignments: AssignmentsRepository,
    @Inject(DesiredStates) private readonly desired: DesiredStates,
    @Inject(BlocksService) private readonly blocks: BlocksService,
    @Inject(SlotCommits) private readonly commits: SlotCommits,
  ) {}

  transaction<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.assignments.transaction(work);
  }

  async owners(tx: EntityManager, slot: SlotName, devices: readonly DeviceId[]): Promise<string[]> {
    return (await this.assignments.current(tx, slot, devices)).map((row) => row.owner);
  }

  /**
   * Under the devices' locks. A device whose slot has the digest already keeps its deployment and epoch, unless it gave that
   * deployment up: then it is to try again. Devices that are revoked or unknown get null, and so do those on which the release is
   * blocked or the slot is pinned: with what refused it.
   */
  async assign(tx: EntityManager, items: readonly AssignmentItem[], terms: AssignmentTerms): Promise<Assigned[]> {
    const ownership = ownershipOf(terms);
    const decided = await this.decide(tx, items, ownership);
    const having = <W extends Decision['what']>(what: W) =>
      decided.filter((d): d is Decided & { decision: Decision & { what: W } } => d.decision.what === what);
    const placed = having('place').map(({ item }): NewAssignment & AssignmentItem => {
      const digest = item.digest!;
      return { ...item, digest, deployment: randomUUID() };
    });
    const [kept, stopped] = [having('keep'), having('stop').map(({ item }) => item.device)];
    await this.assignments.upsert(tx, placed, ownership);
    const freed = await this.assignments.own(
      tx,
      kept.map(({ item }) => item.device),
      ownership,
    );
    await this.assignments.remove(tx, terms.slot, stopped);
    await this.assignments.raiseEpochs(tx, [...placed.map((item) => item.device), ...stopped, ...freed]);
    const deployments = new Map([
      ...placed.map(({ device, deployment }) => [device, deployment] as const),
      ...kept.map(({ item, decision }) => [item.device, decision.deployment] as const),
    ]);
    const refusals = new Map(having('refuse').map(({ item, decision }) => [item.device, decision]));
    return items.map(({ device }) => {
      const refused = refusals.get(device);
      return { device, deployment: deployments.get(device) ?? null, ...(refused && { refused }) };
    });
  }

  /** The releases' rows first, then the devices': a kill takes them in the same order. */
  private async decide(tx: EntityManager, items: readonly AssignmentItem[], { slot, priority }: Ownership): Promise<Decided[]> {
    const devices = items.map((item) => item.device);
    const digests = [...new Set(items.flatMap((item) => item.digest ?? []))];
    const blocks = await this.blocks.before(tx, digests, devices);
    const active = await this.assignments.lock(tx, devices);
    const current = new Map((await this.assignments.current(tx, slot, devices)).map((row) => [row.device, row]));
    const ended = await this.assignments.ended(tx, slot, devices);
    const pins = await this.assignments.pins(tx, slot, devices);
    return items
      .filter(({ device }) => active.has(device))
      .map((item) => {
        const now = current.get(item.device);
        const standing = { current: now, ended: now !== undefined && ended.has(now.deployment), pinned: pins.get(item.device) };
        return { item, decision: decide(item, priority, standing, blocks) };
      });
  }

  /** What would refuse a release on these devices now. `blocked`: on all of them, by one block for everybody. */
  async obstacles(tx: EntityManager, digest: Digest, slot: SlotName, devices: readonly DeviceId[]): Promise<Obstacles> {
    const blocks = await this.blocks.before(tx, [digest], devices);
    const everywhere = blocks.find(({ members }) => members === 'all');
    if (everywhere) return { blocked: blockedInWords(everywhere), keptOut: new Map() };
    const pins = await this.assignments.pins(tx, slot, devices);
    const keptOut = devices.flatMap((device) => {
      const standing = { ended: false, pinned: pins.get(device) };
      const decision = decide({ device, digest }, priorities.rollout, standing, blocks);
      return decision.what === 'refuse' ? [[device, decision.reason] as const] : [];
    });
    return { blocked: undefined, keptOut: new Map(keptOut) };
  }

  /**
   * Takes a release back from devices: it is no last good of theirs any more. Where what they had before is blocked, they go back to
   * the newest that they committed and may run; without one the slot stops.
   */
  async takeBack(
    tx: EntityManager,
    { digest: taken, since }: { digest: Digest; since: Date },
    items: readonly AssignmentItem[],
    terms: AssignmentTerms,
  ): Promise<Assigned[]> {
    const commits = items.map(({ device }) => ({ device, slot: terms.slot, digest: taken }));
    await this.commits.forget(tx, commits, since);
    const assigned = await this.assign(tx, items, terms);
    const blocked = assigned.flatMap(({ device, refused }) => (refused?.why === 'blocked' ? [device] : []));
    if (blocked.length === 0) return assigned;
    const good = await this.blocks.lastGood(tx, terms.slot, blocked);
    const retreats = blocked.map((device) => ({ device, digest: good.get(device) ?? null }));
    return [...assigned.filter(({ refused }) => refused?.why !== 'blocked'), ...(await this.assign(tx, retreats, terms))];
  }

  /** A pin that is taken away leaves what it held, as if it had been assigned by hand. */
  async release(tx: EntityManager, device: DeviceId, slot: SlotName, actor: string): Promise<void> {
    await this.assignments.lock(tx, [device]);
    const [held] = await this.assignments.current(tx, slot, [device]);
    if (held?.owner === 'pin') await this.assignments.own(tx, [device], ownershipOf({ slot, owner: 'manual', actor }));
  }

  /** What devices should run has been changed for them, under their locks: they hear of it before anybody else hears of anything. */
  tell(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
    return this.assignments.raiseEpochs(tx, devices, 'urgent');
  }

  /** Something else about these devices' slots has changed than which release they are assigned. */
  changed(tx: EntityManager, devices: readonly DeviceId[]): Promise<void> {
    return this.assignments.raiseEpochs(tx, devices);
  }

  /** The unsigned desired state, to be signed and sent. */
  desiredFor(tx: EntityManager, device: DeviceId): Promise<{ state: DesiredState; row: Addressed }> {
    return this.desired.issue(tx, device);
  }

  /** Of many at once; devices that are to be told nothing are left out. */
  desiredForAll(tx: EntityManager, devices: readonly DeviceId[]): Promise<{ state: DesiredState; row: Addressed }[]> {
    return this.desired.issueAll(tx, devices);
  }

  /** What a device runs already becomes what it should run: by its own deployment, where that still stands for it. */
  async adopt(tx: EntityManager, item: Adopted): Promise<void> {
    const { device, slot, deployment, committed } = item;
    const blocks = await this.blocks.before(tx, [committed], [device]);
    // What is blocked is not adopted; the device goes back instead.
    const blocked = blockOn(blocks, device, committed) !== undefined;
    const digest = blocked ? (await this.blocks.lastGood(tx, slot, [device])).get(device) : committed;
    if (digest === undefined) return;
    const kept = blocked ? undefined : deployment;
    await this.assignments.upsert(
      tx,
      [{ device, deployment: kept ?? randomUUID(), digest }],
      ownershipOf({ slot, owner: 'restored' }),
    );
  }
}

type Adopted = { device: DeviceId; slot: SlotName; deployment: string | undefined; committed: Digest };
type Obstacles = { blocked: string | undefined; keptOut: ReadonlyMap<DeviceId, string> };
type Decided = { item: AssignmentItem; decision: Decision };

function ownershipOf({ owner, actor = null, reason = null, ...terms }: Loose): Ownership {
  const kind = owner.split(':')[0] as keyof typeof priorities;
  return { priority: priorities[kind], probation: defaultProbation, ...terms, owner, actor, reason };
}
type Loose = Omit<AssignmentTerms, 'actor' | 'reason'> & { actor?: string | null; reason?: string | null };
