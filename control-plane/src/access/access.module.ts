import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { ControlPlaneConfig } from '../config.js';
import { EventsModule } from '../events/events.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { CONFIG } from '../platform/tokens.js';
import { AdminToken } from './admin-token.js';
import { AdminTokenGuard } from './admin-token.guard.js';
import { ClaimTokenRetention } from './claim-token-retention.js';
import { ClaimTokensController } from './claim-tokens.controller.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';
import { ClaimTokensService } from './claim-tokens.service.js';
import { DeviceImportController } from './device-import.controller.js';
import { DeviceImportService } from './device-import.service.js';
import { EnrolmentService } from './enrolment.service.js';
import { FirstContact } from './first-contact.js';
import { OperatorsController } from './operators.controller.js';
import { OperatorsService } from './operators.service.js';
import { PublicUrls } from './public-urls.js';

/** Who may use the API, and how devices come in. */
@Module({
  imports: [EventsModule, FleetModule],
  controllers: [ClaimTokensController, DeviceImportController, OperatorsController],
  providers: [
    { provide: AdminToken, useFactory: ({ dataDir }: ControlPlaneConfig) => AdminToken.open(dataDir), inject: [CONFIG] },
    { provide: APP_GUARD, useClass: AdminTokenGuard },
    ClaimTokenRetention,
    ClaimTokensRepository,
    ClaimTokensService,
    DeviceImportService,
    EnrolmentService,
    FirstContact,
    OperatorsService,
    PublicUrls,
  ],
  exports: [AdminToken, ClaimTokensService, EnrolmentService, PublicUrls],
})
export class AccessModule {}
