import type { BlockView, DeviceId, SlotName, SlotWhyView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { BlocksService } from '../blocks/blocks.service.js';
import { type Block, blockedInWords, blockOn } from '../core/assignment.js';
import { AssignmentRow, DeviceRow, SlotCommitRow, SlotReportRow } from '../fleet/device.entity.js';
import { unknownRelease } from '../fleet/device-view.js';
import { PinRow } from '../fleet/pin.entity.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';

type Wanting = { slot: SlotName; id: string; name: string; digest: string; phase: string; state: string; reason: string | null };
type Facts = {
  assignments: AssignmentRow[];
  reports: SlotReportRow[];
  commits: SlotCommitRow[];
  pins: PinRow[];
  rollouts: Wanting[];
  blocks: Block[];
  views: ReadonlyMap<string, BlockView>;
  names: ReadonlyMap<string, string>;
};

/** Why slots of a device should run what they should run: who won, who else wanted them, and what is in the way. */
@Injectable()
export class SlotWhy {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(BlocksService) private readonly blocks: BlocksService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
  ) {}

  /** One picture of one moment. */
  of(device: DeviceId): Promise<SlotWhyView[]> {
    return this.db.transaction('REPEATABLE READ', async (tx) => {
      if (!(await tx.existsBy(DeviceRow, { id: device }))) throw new AppError('DEVICE_NOT_FOUND', `no device ${device}`);
      const facts = await this.facts(tx, device);
      const { assignments, reports, pins } = facts;
      const slots = new Set([...assignments, ...reports, ...pins].map(({ slot }) => slot));
      return [...slots].toSorted().map((slot) => whyOf(device, slot, facts));
    });
  }

  private async facts(tx: EntityManager, device: DeviceId): Promise<Facts> {
    const assignments = await tx.findBy(AssignmentRow, { device });
    const reports = await tx.findBy(SlotReportRow, { device });
    const commits = await tx.find(SlotCommitRow, { where: { device }, order: { at: 'DESC', digest: 'ASC' } });
    const pins = await tx.findBy(PinRow, { device });
    const rollouts = await tx.query<Wanting[]>(
      `SELECT r.slot, r.id, r.name, r.digest, r.phase, t.state, t.reason FROM rollout_target t JOIN rollout r ON r.id = t.rollout
       WHERE t.device = $1 ORDER BY r.created_at DESC LIMIT 20`,
      [device],
    );
    const blocks = await this.blocks.inForce(tx, [device]);
    const views = await this.blocks.views(
      tx,
      blocks.map(({ id }) => id),
    );
    const digests = [...assignments, ...reports, ...commits, ...pins, ...rollouts].flatMap(({ digest }) => digest ?? []);
    const names = await this.releases.namesOf(digests, tx);
    return { assignments, reports, commits, pins, rollouts, blocks, views: new Map(views.map((v) => [v.id, v])), names };
  }
}

function whyOf(device: DeviceId, slot: SlotName, facts: Facts): SlotWhyView {
  const { blocks, views, names } = facts;
  const nameOf = (digest: string) => names.get(digest) ?? unknownRelease(digest);
  const inSlot = <T extends { slot: string }>(rows: readonly T[]) => rows.filter((row) => row.slot === slot);
  const [assignment, report] = [inSlot(facts.assignments)[0], inSlot(facts.reports)[0]];
  const history = inSlot(facts.commits).map(({ digest, at }) => ({
    release: nameOf(digest),
    digest,
    at: at.toISOString(),
    blocked: blockOn(blocks, device, digest) !== undefined,
  }));
  const seen = new Set([...inSlot([...facts.commits, ...facts.pins, ...facts.rollouts])].map(({ digest }) => digest));
  const inTheWay = blocks.filter((block) => [...seen].some((digest) => blockOn([block], device, digest)));
  return {
    slot,
    ...(assignment && { assignment: assignmentView(assignment, facts, nameOf) }),
    ...(report?.digest && { running: nameOf(report.digest) }),
    others: othersOf(device, assignment, inSlot(facts.pins)[0], inSlot(facts.rollouts), { blocks, nameOf }),
    blocks: inTheWay.flatMap(({ id }) => views.get(id) ?? []),
    history,
  } as SlotWhyView;
}

function assignmentView(row: AssignmentRow, { rollouts }: Facts, nameOf: (digest: string) => string) {
  const { digest, deployment, owner, priority, actor, reason, assignedAt } = row;
  const [kind, id] = owner.split(':');
  const named = kind === 'rollout' ? rollouts.find((rollout) => rollout.id === id)?.name : undefined;
  return {
    release: nameOf(digest),
    digest,
    deployment,
    owner: id === undefined ? owner : `${kind} ${named ?? id}`,
    priority,
    ...(actor !== null && { by: actor }),
    ...(reason !== null && { reason }),
    since: assignedAt.toISOString(),
  };
}

type Judging = { blocks: readonly Block[]; nameOf: (digest: string) => string };

function othersOf(
  device: DeviceId,
  assignment: AssignmentRow | undefined,
  pin: PinRow | undefined,
  rollouts: readonly Wanting[],
  { blocks, nameOf }: Judging,
): SlotWhyView['others'] {
  const blocked = (digest: string) => blockOn(blocks, device, digest);
  const others = rollouts
    .filter(({ id, state }) => assignment?.owner !== `rollout:${id}` && state !== 'already')
    .map(({ name, digest, phase, state, reason }) => {
      const block = blocked(digest);
      const why = reason ?? (block ? blockedInWords(block) : `the rollout is ${phase}, the device ${state} in it`);
      return { owner: `rollout ${name}`, release: nameOf(digest), why };
    });
  if (!pin || assignment?.owner === 'pin') return others as SlotWhyView['others'];
  const block = blocked(pin.digest);
  const why = block ? `${blockedInWords(block)}; a kill overrules a pin` : 'another pin or a kill came later; pin it again';
  return [{ owner: 'pin', release: nameOf(pin.digest), why }, ...others] as SlotWhyView['others'];
}
