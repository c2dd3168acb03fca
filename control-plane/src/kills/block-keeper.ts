import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import type { BlockRow } from '../blocks/block.entity.js';
import { BlocksService } from '../blocks/blocks.service.js';
import type { ControlPlaneConfig } from '../config.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { BlockFile } from './block-file.js';
import { KillSwitch } from './kill-switch.js';

/** How soon a replica keeps what another one was told, and notices that the database was restored under it. */
const everyMs = 10_000;

/** Blocks in the database and in the file say the same: what either has forgotten, it is told again. */
@Injectable()
export class BlockKeeper implements OnModuleInit, OnApplicationShutdown {
  readonly #file: BlockFile;
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) config: Pick<ControlPlaneConfig, 'dataDir'>,
    @Inject(BlocksService) private readonly blocks: BlocksService,
    @Inject(KillSwitch) private readonly killSwitch: KillSwitch,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.#file = new BlockFile(config.dataDir);
  }

  /** Before any device is heard. */
  async onModuleInit(): Promise<void> {
    await this.#keepNow();
    this.#timer = setInterval(() => void this.keep(), everyMs).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#keeping;
  }

  /** What cannot be kept now is tried again: a full disk must not make a kill fail that has come through. */
  keep(): Promise<void> {
    this.#keeping = this.#keeping.then(() =>
      this.#keepNow().catch((error: unknown) => this.log.warn({ err: error }, 'the blocks could not be kept in their file')),
    );
    return this.#keeping;
  }

  async #keepNow(): Promise<void> {
    const known = new Map((await this.blocks.rows.all()).map((row) => [row.id, row]));
    for (const kept of await this.#file.read()) {
      const row = known.get(kept.id);
      if (!row) await this.killSwitch.restore(kept);
      else if (kept.liftedAt && !row.liftedAt) await this.#liftAgain(kept);
    }
    await this.#file.write(await this.blocks.rows.all());
  }

  #liftAgain({ id, liftedAt, liftedBy, liftedReason }: BlockRow): Promise<void> {
    return this.blocks.rows.transaction(async (tx) => {
      const row = await this.blocks.rows.locked(tx, id);
      if (row && !row.liftedAt) await this.blocks.rows.save(tx, { ...row, liftedAt, liftedBy, liftedReason });
    });
  }
}
