import { isAbsolute, join, relative, resolve } from 'node:path';
import type { BackupView } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ControlPlaneConfig } from '../config.js';
import { EventsService } from '../events/events.service.js';
import { Artifacts } from '../platform/artifacts.js';
import { backup } from '../platform/backup/backup.js';
import { BackupError, type BackupManifest } from '../platform/backup/backup-manifest.js';
import { AppError } from '../platform/errors.js';
import { secretsFolder } from '../platform/secrets.js';
import { CONFIG } from '../platform/tokens.js';

/** Copies the data folder, the database included, while everything goes on. */
@Injectable()
export class BackupsService {
  #underWay: string | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: ControlPlaneConfig,
    @Inject(DataSource) private readonly db: DataSource,
    @Inject(Artifacts) private readonly artifacts: Artifacts,
    @Inject(EventsService) private readonly events: EventsService,
  ) {}

  async make(path: string): Promise<BackupView> {
    const folder = resolve(path);
    this.refuse(folder);
    this.#underWay = folder;
    try {
      const made = viewOf(folder, await this.copy(folder));
      const message = `backed up to ${folder}: ${made.files} files`;
      await this.events.append(this.db, { kind: 'backup-made', actor: 'admin', message, data: made });
      return made;
    } catch (error) {
      if (error instanceof BackupError) throw new AppError('BACKUP_REFUSED', error.message, { cause: error });
      throw error;
    } finally {
      this.#underWay = undefined;
    }
  }

  private refuse(folder: string): void {
    if (this.#underWay !== undefined)
      throw new AppError('BACKUP_REFUSED', `a backup to ${this.#underWay} is under way: wait for it to end`);
    if (isInside(this.config.dataDir, folder))
      throw new AppError(
        'BACKUP_REFUSED',
        `${folder} is in the data folder, which is what is copied: name a folder outside of it`,
      );
  }

  private copy(target: string): Promise<BackupManifest> {
    const { dataDir: dir, databaseUrl } = this.config;
    const dataFolder = { dir, secretsDir: join(dir, secretsFolder), path: (...names: string[]) => join(dir, ...names) };
    return backup({ dataFolder, artifacts: this.artifacts, database: this.database(databaseUrl), target });
  }

  private database(external: string | undefined): Parameters<typeof backup>[0]['database'] {
    const { options } = this.db;
    if (external !== undefined || options.type !== 'postgres') return { kind: 'external' };
    return { kind: 'embedded', url: options.url! };
  }
}

const viewOf = (folder: string, { files }: BackupManifest): BackupView => ({
  folder,
  files: files.length,
  bytes: files.reduce((sum, file) => sum + file.size, 0),
});

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
