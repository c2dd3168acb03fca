import { randomBytes } from 'node:crypto';
import { sha256, type OperatorCreate, type OperatorCreated, type OperatorView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { OperatorTokenRow } from './operator-token.entity.js';
import { admin, type Operator } from './operator.js';

/** People with a token of their own, so that one can approve what another has planned. */
@Injectable()
export class OperatorsService {
  constructor(
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The token is shown this once. */
  create({ name, role }: OperatorCreate): Promise<OperatorCreated> {
    const token = `flo_${randomBytes(32).toString('base64url')}`;
    const createdAt = this.clock.now();
    return this.db.transaction(async (tx) => {
      if (name === admin.name || (await tx.existsBy(OperatorTokenRow, { name })))
        throw new AppError('OPERATOR_EXISTS', `there is an operator "${name}" already; remove them first for a new token`);
      await tx.insert(OperatorTokenRow, { name, role, tokenHash: sha256(token), createdAt });
      await this.tell(tx, 'operator-created', `operator ${name} (${role}) has a token`);
      return { name, role, createdAt: createdAt.toISOString(), token };
    });
  }

  async list(): Promise<OperatorView[]> {
    const rows = await this.db.manager.find(OperatorTokenRow, { order: { name: 'ASC' } });
    return rows.map(({ name, role, createdAt }) => ({ name, role, createdAt: createdAt.toISOString() }));
  }

  remove(name: string): Promise<void> {
    return this.db.transaction(async (tx) => {
      const { affected } = await tx.delete(OperatorTokenRow, { name });
      if (!affected) throw new AppError('OPERATOR_NOT_FOUND', `no operator "${name}"; \`flotilla operators list\` names them`);
      await this.tell(tx, 'operator-removed', `operator ${name} has no token any more`);
    });
  }

  async byToken(token: string): Promise<Operator | undefined> {
    const row = await this.db.manager.findOneBy(OperatorTokenRow, { tokenHash: sha256(token) });
    return row ? { name: row.name, role: row.role } : undefined;
  }

  private tell(tx: Parameters<EventsService['append']>[0], kind: string, message: string) {
    return this.events.append(tx, { kind, actor: admin.name, message, data: {} });
  }
}
