import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MetricReader } from '@opentelemetry/sdk-metrics';
import { Controller, Get, Inject, type OnModuleDestroy, Res } from '@nestjs/common';
import { ApiExcludeEndpoint } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { FiguresService } from './figures.service.js';
import { meterFor } from './instruments.js';

/** Prometheus' text format, version 0.0.4. */
const textType = 'text/plain; version=0.0.4; charset=utf-8';

/** Collects when somebody asks, and else does nothing. */
class WhenAsked extends MetricReader {
  protected override onShutdown = () => Promise.resolve();
  protected override onForceFlush = () => Promise.resolve();
}

/** For a Prometheus that comes to ask; it sends an operator's token. */
@Controller()
export class MetricsController implements OnModuleDestroy {
  readonly #reader = new WhenAsked();
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  readonly #provider;

  constructor(@Inject(FiguresService) figures: FiguresService) {
    this.#provider = meterFor([this.#reader], () => figures.read());
  }

  async onModuleDestroy(): Promise<void> {
    await this.#provider.shutdown();
  }

  @Get('metrics')
  @ApiExcludeEndpoint()
  async show(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw errors[0];
    reply.type(textType);
    return this.#serializer.serialize(resourceMetrics);
  }
}
