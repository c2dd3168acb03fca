import type { DeviceId, DeviceImport, DeviceImportView, ImportEntry } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { DeviceLabels } from '../fleet/device-labels.js';
import { DevicesService } from '../fleet/devices.service.js';
import { labelProblem } from '../fleet/labels.js';
import { AppError } from '../platform/errors.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';
import { ClaimTokensService } from './claim-tokens.service.js';

type Problem = DeviceImportView['problems'][number];
const shown = 20;

/** Many devices at once: claim tokens for those to come, labels for those that are there. All of it, or nothing. */
@Injectable()
export class DeviceImportService {
  constructor(
    @Inject(ClaimTokensRepository) private readonly repository: ClaimTokensRepository,
    @Inject(ClaimTokensService) private readonly tokens: ClaimTokensService,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(DeviceLabels) private readonly labels: DeviceLabels,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  run(request: DeviceImport, actor: string): Promise<DeviceImportView> {
    return this.repository.transaction(async (tx) => {
      const problems = await this.problems(tx, request.devices);
      if (request.dryRun) return { devices: problems.length > 0 ? [] : request.devices.map(plan), problems };
      if (problems.length > 0) throw new AppError('DEVICE_IMPORT_REFUSED', inWords(problems));
      return this.apply(tx, request, actor);
    });
  }

  private async apply(tx: EntityManager, { devices, expiresInS }: DeviceImport, actor: string): Promise<DeviceImportView> {
    const coming = devices.filter(({ claim }) => claim !== 'none');
    const made = await this.tokens.createAll(
      tx,
      coming.map(({ name, labels, claim }) => ({
        name,
        labels,
        expiresInS,
        approval: claim === 'approval' ? 'required' : 'none',
      })),
    );
    const tokens = new Map(coming.map(({ name }, i) => [name, made[i]!.token]));
    const present = devices.filter(({ claim }) => claim === 'none').map(({ name, labels }) => ({ device: name, labels }));
    const message = `imported ${devices.length} devices: ${coming.length} claim tokens, ${present.length} with labels`;
    const data = { tokens: coming.slice(0, 1000).map(({ name }) => name), labelled: present.slice(0, 1000) };
    await this.events.append(tx, { kind: 'devices-imported', actor, message, data });
    const relabelled = new Set(await this.labels.replace(tx, present));
    const views = devices.map((entry) => {
      const token = tokens.get(entry.name);
      if (token !== undefined) return { ...plan(entry), token };
      return relabelled.has(entry.name) ? plan(entry) : { name: entry.name, does: 'nothing' as const };
    });
    return { devices: views, problems: [] };
  }

  private async problems(tx: EntityManager, devices: readonly ImportEntry[]): Promise<Problem[]> {
    const statuses = await this.devices.statuses(
      tx,
      devices.map(({ name }) => name),
    );
    const seen = new Map<DeviceId, number>();
    return devices.flatMap(({ name, labels, claim }, entry) => {
      const first = seen.get(name);
      seen.set(name, first ?? entry);
      const problem =
        first === undefined ? (labelProblem(labels) ?? standing(name, claim, statuses.get(name))) : `${name} is in it twice`;
      return problem === undefined ? [] : [{ entry, name, problem }];
    });
  }
}

const plan = ({ name, claim }: ImportEntry) => ({
  name,
  does: claim === 'none' ? ('labels' as const) : ('claim-token' as const),
});

function standing(name: string, claim: ImportEntry['claim'], status: string | undefined): string | undefined {
  const isThere = status !== undefined && status !== 'revoked';
  if (claim === 'none') return isThere ? undefined : `there is no device ${name} whose labels could be set`;
  return isThere
    ? `${name} is enrolled already: say "claim: none" to set its labels, or \`flotilla devices replace ${name}\``
    : undefined;
}

function inWords(problems: readonly Problem[]): string {
  const words = problems.slice(0, shown).map(({ entry, problem }) => `devices[${entry}]: ${problem}`);
  const more = problems.length > shown ? `; and ${problems.length - shown} more` : '';
  return `nothing was imported: ${words.join('; ')}${more}`;
}
