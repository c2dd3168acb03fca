import { randomBytes, randomUUID } from 'node:crypto';
import { type DeviceId, encodeClaimToken, sha256, type TokenCreate, type TokenSummary, type TokenView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { EventsService } from '../events/events.service.js';
import { ListQuery, type Page, pageFrom } from '../listing.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import type { ClaimTokenRow } from './claim-token.entity.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';
import { FirstContact } from './first-contact.js';

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

  /** For another board in the place of this device. */
  createReplacement(name: DeviceId): Promise<TokenView> {
    return this.make({ name, labels: {}, expiresInS: replacementForS, approval: 'none' }, true);
  }

  async list(query: TokenQuery): Promise<Page<TokenSummary>> {
    const page = pageFrom(await this.tokens.list(query), query.limit, (row) => row.id);
    return { ...page, items: page.items.map(summaryOf) };
  }

  /** The secrets are shown this once. */
  async createAll(tx: EntityManager, requests: readonly TokenCreate[]): Promise<TokenView[]> {
    const made = requests.map((request) => this.draw(request, false));
    await this.tokens.insert(
      tx,
      made.map(({ row }) => row),
    );
    return made.map(({ view }) => view);
  }

  private async make(request: TokenCreate, replace: boolean): Promise<TokenView> {
    const { row, view } = this.draw(request, replace);
    await this.tokens.transaction(async (tx) => {
      await this.tokens.insert(tx, [row]);
      const { name, labels, approval } = row;
      const whom = replace ? `another board of ${name}` : (name ?? 'any device');
      const message = `claim token for ${whom} created, good until ${view.expiresAt}`;
      const data = { token: row.id, labels, replace, approval };
      await this.events.append(tx, { kind: 'token-created', actor: 'admin', message, data });
    });
    return view;
  }

  private draw({ name, labels, expiresInS, approval }: TokenCreate, replace: boolean): { row: ClaimTokenRow; view: TokenView } {
    const [id, secret, createdAt] = [randomUUID(), randomBytes(32).toString('base64url'), this.clock.now()];
    const expiresAt = new Date(createdAt.getTime() + expiresInS * 1000);
    const terms = { name: name ?? null, replace, labels, approval: approval === 'required' };
    const unused = { usedAt: null, keyThumbprint: null, device: null };
    return {
      row: { id, secretHash: sha256(secret), ...terms, createdAt, expiresAt, ...unused },
      view: { id, token: encodeClaimToken({ ...this.firstContact.pinned(), secret }), expiresAt: expiresAt.toISOString() },
    };
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
  approval: row.approval ? 'required' : 'none',
  replace: row.replace,
});
