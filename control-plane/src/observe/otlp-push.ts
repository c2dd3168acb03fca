import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { ControlPlaneConfig } from '../config.js';
import type { Logger } from '../platform/logger.js';
import { CONFIG, LOGGER } from '../platform/tokens.js';
import { FiguresService } from './figures.service.js';
import { meterFor } from './instruments.js';

/** Sends the figures to an OpenTelemetry collector, where the settings name one. What it does not take is not kept: the next interval has newer ones. */
@Injectable()
export class OtlpPush implements OnApplicationBootstrap, OnApplicationShutdown {
  #provider: MeterProvider | undefined;

  constructor(
    @Inject(FiguresService) private readonly figures: FiguresService,
    @Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'otlp'>,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { otlp } = this.config;
    if (!otlp) return;
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto');
    const { PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics');
    const exporter = new OTLPMetricExporter({
      url: otlp.url,
      headers: otlp.headers,
      timeoutMillis: 1000 * Math.min(10, otlp.intervalS),
    });
    const exportIntervalMillis = 1000 * otlp.intervalS;
    const exportTimeoutMillis = Math.min(15_000, exportIntervalMillis);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis, exportTimeoutMillis });
    this.#provider = meterFor([reader], () => this.figures.read());
    this.log.info({ url: otlp.url, intervalS: otlp.intervalS }, 'figures are sent to an OpenTelemetry collector');
  }

  async onApplicationShutdown(): Promise<void> {
    // It sends what it has once more; a collector that is away must not hold up the end.
    await this.#provider?.shutdown({ timeoutMillis: 2000 }).catch(() => undefined);
  }
}
