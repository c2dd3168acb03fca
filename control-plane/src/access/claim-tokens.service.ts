import { randomBytes, randomUUID } from 'node:crypto';
import { type DeviceId, encodeClaimToken, sha256, type TokenCreate, type TokenView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { EventsService } from '../events/events.service.js';
import { ListQuery, type Page, pageFrom } from '../listing.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import type { ClaimTokenRow } from './claim-token.entity.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';
import { FirstContact } from './first-contact.js';

const time = z.iso.datetime();
/** The secret itself is kept nowhere. */
export const TokenSummary = z
  .object({
    id: z.uuid(),
    name: z.string().optional(),
    labels: z.record(z.string(), z.string()),
    createdAt: time,
    expiresAt: time,
    usedAt: time.optional(),
    device: z.string().optional(),
  })
  .meta({ id: 'TokenSummary' });
export type TokenSummary = z.infer<typeof TokenSummary>;
export const TokenQuery = ListQuery.extend({ cursor: z.uuid().optional() });
export type TokenQuery = z.infer<typeof TokenQuery>;

const replacementForS = 86_400;

@Injectable()
export class ClaimTokensService {
  constructor(
    @Inject(ClaimTokensRepository) private readonly tokens: ClaimTokensRepository,
    @Inject(FirstContact) private readonly firstContact: FirstContact,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  create(request: TokenCreate): Promise<TokenView> {
    return this.make(request, false);
  }

  /** For another board in the place of this device, which is to be retired first. */
  createReplacement(name: DeviceId): Promise<TokenView> {
    return this.make({ name, labels: {}, expiresInS: replacementForS }, true);
  }

  async list(query: TokenQuery): Promise<Page<TokenSummary>> {
    const page = pageFrom(await this.tokens.list(query), query.limit, (row) => row.id);
    return { ...page, items: page.items.map(summaryOf) };
  }

  private async make({ name, labels, expiresInS }: TokenCreate, replace: boolean): Promise<TokenView> {
    const secret = randomBytes(32).toString('base64url');
    const createdAt = this.clock.now();
    const expiresAt = new Date(createdAt.getTime() + expiresInS * 1000);
    const unused = { usedAt: null, keyThumbprint: null, device: null };
    const row = {
      id: randomUUID(),
      secretHash: sha256(secret),
      name: name ?? null,
      replace,
      labels,
      createdAt,
      expiresAt,
      ...unused,
    };
    await this.tokens.transaction(async (tx) => {
      await this.tokens.insert(tx, row);
      const message = `claim token for ${name ?? 'any device'} created, good until ${expiresAt.toISOString()}`;
      await this.events.append(tx, { kind: 'token-created', actor: 'admin', message, data: { token: row.id, labels, replace } });
    });
    return { id: row.id, token: encodeClaimToken({ ...this.firstContact.pinned(), secret }), expiresAt: expiresAt.toISOString() };
  }
}

const summaryOf = (row: ClaimTokenRow): TokenSummary => ({
  id: row.id,
  ...(row.name !== null && { name: row.name }),
  labels: row.labels,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt.toISOString(),
  ...(row.usedAt !== null && { usedAt: row.usedAt.toISOString() }),
  ...(row.device !== null && { device: row.device }),
});
