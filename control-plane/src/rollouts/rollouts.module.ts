import { Inject, Module } from '@nestjs/common';
import { BlocksModule } from '../blocks/blocks.module.js';
import { EventsModule } from '../events/events.module.js';
import { AdoptionService } from '../fleet/adoption.service.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { ModelsModule } from '../models/models.module.js';
import { TelemetryModule } from '../telemetry/telemetry.module.js';
import { CheckRepository } from './check.repository.js';
import { CohortRepository } from './cohort.repository.js';
import { CountRepository } from './count.repository.js';
import { EvidenceRepository } from './evidence.repository.js';
import { HoldsRepository } from './holds.repository.js';
import { OfferEvidence } from './offer-evidence.js';
import { PaceRepository } from './pace.repository.js';
import { PreemptionRepository } from './preemption.repository.js';
import { RolloutChecks } from './rollout-checks.js';
import { RolloutConductor } from './rollout-conductor.js';
import { RolloutEffects } from './rollout-effects.js';
import { RolloutKills } from './rollout-kills.js';
import { RolloutMachine } from './rollout-machine.js';
import { RolloutObserver } from './rollout-observer.js';
import { RolloutPace } from './rollout-pace.js';
import { RolloutPlanner } from './rollout-planner.js';
import { RolloutReports } from './rollout-reports.js';
import { RolloutViews } from './rollout-views.js';
import { RolloutWindows } from './rollout-windows.js';
import { RolloutRepository } from './rollout.repository.js';
import { RolloutsController } from './rollouts.controller.js';
import { RolloutsService } from './rollouts.service.js';
import { SlotWhyController } from './slot-why.controller.js';
import { SlotWhy } from './slot-why.js';
import { Latecomers } from './latecomers.js';
import { LatecomersRepository } from './latecomers.repository.js';
import { RolloutPlaces } from './rollout-places.js';
import { ReturnRepository } from './return.repository.js';
import { SummaryRepository } from './summary.repository.js';
import { TargetRepository } from './target.repository.js';
import { UnheardGates } from './unheard-gates.js';
import { WindowEvidence } from './window-evidence.js';

@Module({
  imports: [BlocksModule, EventsModule, FleetModule, ModelsModule, TelemetryModule],
  controllers: [RolloutsController, SlotWhyController],
  providers: [
    CheckRepository,
    CohortRepository,
    RolloutChecks,
    CountRepository,
    EvidenceRepository,
    HoldsRepository,
    OfferEvidence,
    PaceRepository,
    PreemptionRepository,
    RolloutConductor,
    RolloutEffects,
    RolloutKills,
    RolloutMachine,
    RolloutObserver,
    RolloutPace,
    RolloutPlanner,
    RolloutReports,
    RolloutViews,
    RolloutWindows,
    RolloutRepository,
    RolloutsService,
    SlotWhy,
    Latecomers,
    LatecomersRepository,
    RolloutPlaces,
    ReturnRepository,
    SummaryRepository,
    TargetRepository,
    UnheardGates,
    WindowEvidence,
  ],
  exports: [RolloutKills, RolloutReports, RolloutsService],
})
export class RolloutsModule {
  constructor(@Inject(AdoptionService) adoption: AdoptionService, @Inject(RolloutsService) rollouts: RolloutsService) {
    adoption.whenRegressed((tx, detail) => rollouts.pauseAll(tx, detail));
  }
}
