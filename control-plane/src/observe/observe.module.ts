import { type DynamicModule, Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { KillsModule } from '../kills/kills.module.js';
import { QueriesModule } from '../queries/queries.module.js';
import { TelemetryModule } from '../telemetry/telemetry.module.js';
import { FiguresService } from './figures.service.js';
import { FleetFiguresRepository } from './fleet-figures.repository.js';
import { MetricsController } from './metrics.controller.js';
import { OtlpPush } from './otlp-push.js';
import { BROKER_STATE, type BrokerState } from './tokens.js';

/** Figures of the control plane and of the fleet for those who watch: Prometheus and OpenTelemetry. */
@Module({})
export class ObserveModule {
  static forRoot(brokerConnected: BrokerState): DynamicModule {
    return {
      module: ObserveModule,
      imports: [FleetModule, KillsModule, QueriesModule, TelemetryModule],
      controllers: [MetricsController],
      providers: [FiguresService, FleetFiguresRepository, OtlpPush, { provide: BROKER_STATE, useValue: brokerConnected }],
    };
  }
}
