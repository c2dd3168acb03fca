import { type DynamicModule, Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ControlPlaneConfig } from '../config.js';
import { Artifacts } from './artifacts.js';
import { Counters } from './counters.js';
import { Leader } from './leader.js';
import type { Logger } from './logger.js';
import { OutboxBell } from './outbox-bell.js';
import { type Clock, CLOCK, CONFIG, LOGGER, systemClock } from './tokens.js';

interface PlatformParts {
  config: ControlPlaneConfig;
  db: DataSource;
  artifacts: Artifacts;
  log: Logger;
  clock?: Clock;
}

/** What `main.ts` built, for every feature. */
@Global()
@Module({})
export class PlatformModule {
  static forRoot(parts: PlatformParts): DynamicModule {
    return {
      module: PlatformModule,
      providers: [
        { provide: CONFIG, useValue: parts.config },
        { provide: DataSource, useValue: parts.db },
        { provide: Artifacts, useValue: parts.artifacts },
        { provide: LOGGER, useValue: parts.log },
        { provide: CLOCK, useValue: parts.clock ?? systemClock },
        Counters,
        OutboxBell,
        { provide: Leader, useFactory: () => new Leader(parts.db, parts.log) },
      ],
      exports: [CONFIG, DataSource, Artifacts, LOGGER, CLOCK, Counters, OutboxBell, Leader],
    };
  }
}
