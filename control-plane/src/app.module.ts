import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { EventsModule } from './events/events.module.js';
import { BlocksModule } from './blocks/blocks.module.js';
import { FleetModule } from './fleet/fleet.module.js';
import { KillsModule } from './kills/kills.module.js';
import { LinkModule, type LinkParts } from './link/link.module.js';
import { ModelsModule } from './models/models.module.js';
import { PageController } from './page/page.controller.js';
import { IdempotencyModule } from './platform/idempotency/idempotency.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { QueriesModule } from './queries/queries.module.js';
import { RolloutsModule } from './rollouts/rollouts.module.js';
import { SafekeepingModule } from './safekeeping/safekeeping.module.js';
import { StatusController } from './status.controller.js';
import { FleetTotals, StatusService, type Surroundings, SURROUNDINGS } from './status.service.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { TrustModule } from './trust/trust.module.js';
import type { TrustService } from './trust/trust.service.js';

export type AppParts = Parameters<typeof PlatformModule.forRoot>[0] & {
  trust: TrustService;
  link: LinkParts;
  surroundings: Surroundings;
};

/** Every feature; what they stand on was built by the composition root. */
@Module({})
export class AppModule {
  static forRoot({ trust, link, surroundings, ...platform }: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.forRoot(platform),
        TrustModule.forRoot(trust),
        AccessModule,
        BlocksModule,
        EventsModule,
        FleetModule,
        IdempotencyModule,
        KillsModule,
        LinkModule.forRoot(link),
        ModelsModule,
        QueriesModule,
        RolloutsModule,
        SafekeepingModule,
        TelemetryModule,
      ],
      controllers: [PageController, StatusController],
      providers: [FleetTotals, StatusService, { provide: SURROUNDINGS, useValue: surroundings }],
    };
  }
}
