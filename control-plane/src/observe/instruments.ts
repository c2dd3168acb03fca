import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, type MetricReader } from '@opentelemetry/sdk-metrics';
import { version } from '../package-folder.js';
import { families, type FamilyName, type Readings } from './families.js';

/** Each family as an instrument whose values are read when a reader asks: the one way out, for Prometheus and for OTLP. */
export function meterFor(readers: MetricReader[], read: () => Promise<Readings>): MeterProvider {
  const resource = resourceFromAttributes({ 'service.name': 'flotilla-control-plane', 'service.version': version });
  const provider = new MeterProvider({ resource, readers });
  const meter = provider.getMeter('flotilla');
  const instruments = new Map(
    Object.entries(families).map(([name, { kind, help: description }]) => [
      name as FamilyName,
      kind === 'gauge'
        ? meter.createObservableGauge(name, { description })
        : meter.createObservableCounter(name, { description }),
    ]),
  );
  meter.addBatchObservableCallback(
    async (result) => {
      for (const [family, readings] of await read())
        for (const { labels, value } of readings) result.observe(instruments.get(family)!, value, labels);
    },
    [...instruments.values()],
  );
  return provider;
}
