import type { AssignmentRequest, DeviceId } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { AppError } from '../platform/errors.js';
import { type Assigned, AssignmentsService } from './assignments.service.js';
import { DevicesService } from './devices.service.js';

/** The operator's own hand: no stages, no gates. It wins over a rollout, and the log says so. */
@Injectable()
export class ManualAssignmentsService {
  constructor(
    @Inject(AssignmentsService) private readonly assignments: AssignmentsService,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  async assign(request: AssignmentRequest, actor: string): Promise<Assigned[]> {
    const { digest } = await this.releases.byName(request.release);
    return this.assignments.transaction(async (tx) => {
      const devices = await this.chosen(tx, request);
      const rollouts = await this.overruled(tx, request, devices);
      const terms = { slot: request.slot, owner: 'manual', probation: request.probation, actor };
      const assigned = await this.assignments.assign(
        tx,
        devices.map((device) => ({ device, digest })),
        terms,
      );
      refuseRefused(request, assigned);
      await this.tell(tx, request, actor, devices, rollouts);
      return assigned;
    });
  }

  private async chosen(tx: EntityManager, { devices, target }: AssignmentRequest): Promise<DeviceId[]> {
    if (devices === undefined) {
      const matched = await this.devices.members(tx, { target: target! });
      if (matched.length === 0) throw new AppError('INVALID_REQUEST', `target: no active device matches "${target}"`);
      return matched.map((row) => row.id);
    }
    const wanted = [...new Set(devices)];
    const active = new Set((await this.devices.active(tx, wanted)).map((row) => row.id));
    const missing = wanted.filter((device) => !active.has(device));
    if (missing.length === 0) return wanted;
    throw new AppError('DEVICE_NOT_FOUND', `no active device ${missing.slice(0, 10).join(', ')}; nothing was assigned`);
  }

  /** Rollouts from which this takes devices: their stages will see them as not on the release. */
  private async overruled(
    tx: EntityManager,
    { slot }: AssignmentRequest,
    devices: readonly DeviceId[],
  ): Promise<Map<string, number>> {
    const owners = await this.assignments.owners(tx, slot, devices);
    const rollouts = Map.groupBy(
      owners.filter((owner) => owner.startsWith('rollout:')),
      (owner) => owner.slice('rollout:'.length),
    );
    return new Map([...rollouts].map(([rollout, taken]) => [rollout, taken.length]));
  }

  private async tell(
    tx: EntityManager,
    request: AssignmentRequest,
    actor: string,
    devices: readonly DeviceId[],
    rollouts: Map<string, number>,
  ) {
    const { release, slot } = request;
    const who = devices.length === 1 ? devices[0]! : `${devices.length} devices`;
    const taken = [...rollouts].map(([rollout, count]) => `; takes ${count} over from rollout ${rollout}`).join('');
    const only = devices.length === 1 ? { device: devices[0]! } : {};
    const message = `assigned ${release} to slot ${slot} of ${who} by hand${taken}`;
    const data = { release, slot, devices: devices.slice(0, 1000), rollouts: Object.fromEntries(rollouts) };
    await this.events.append(tx, { kind: 'assigned', actor, ...only, message, data });
  }
}

/** All of it or nothing: what was written before is undone with the transaction. */
function refuseRefused({ release, slot }: AssignmentRequest, assigned: readonly Assigned[]): void {
  const refusals = assigned.flatMap(({ device, refused }) => (refused ? [{ device, ...refused }] : []));
  const [first] = refusals;
  if (!first) return;
  const on = refusals
    .slice(0, 10)
    .map(({ device }) => device)
    .join(', ');
  if (first.why === 'blocked')
    throw new AppError(
      'RELEASE_BLOCKED',
      `${release} on ${on}: ${first.reason}; nothing was assigned; \`flotilla blocks list\` names the block, which has to be lifted first`,
    );
  throw new AppError(
    'SLOT_PINNED',
    `slot ${slot} of ${on} is ${first.reason}; nothing was assigned; \`flotilla devices unpin DEVICE ${slot}\` frees it`,
  );
}
