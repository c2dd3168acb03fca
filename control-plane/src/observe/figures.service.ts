import type { TelemetryGroup } from '@flotilla/protocol';
import { TelemetryQuery } from '@flotilla/protocol';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { DevicesService } from '../fleet/devices.service.js';
import { KillViews } from '../kills/kill-views.js';
import { Counters } from '../platform/counters.js';
import { Leader } from '../platform/leader.js';
import type { Logger } from '../platform/logger.js';
import { LOGGER } from '../platform/tokens.js';
import { QueriesService } from '../queries/queries.service.js';
import { RollupRepository } from '../telemetry/rollup.repository.js';
import { type FamilyName, mostSeries, type Reading, type Readings, recentS } from './families.js';
import { FleetFiguresRepository } from './fleet-figures.repository.js';
import { folded } from './folded.js';
import { ProcessFigures } from './process-figures.js';
import { BROKER_STATE, type BrokerState } from './tokens.js';

type Told = [FamilyName, Reading[]];

/** Scrapes of several readers, or one that asks too often, cost the database one reading in this time. */
const freshMs = 5000;
const recent = TelemetryQuery.parse({ since: `${recentS}s`, by: 'release,hardwareClass', limit: 500 });

/** The state of this process and of the fleet, as families of readings. */
@Injectable()
export class FiguresService implements OnModuleInit, OnModuleDestroy {
  readonly #process = new ProcessFigures();
  #last: { at: number; readings: Promise<Readings> } | undefined;

  constructor(
    @Inject(FleetFiguresRepository) private readonly fleet: FleetFiguresRepository,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(QueriesService) private readonly queries: QueriesService,
    @Inject(KillViews) private readonly kills: KillViews,
    @Inject(RollupRepository) private readonly rollups: RollupRepository,
    @Inject(Leader) private readonly leader: Leader,
    @Inject(Counters) private readonly counters: Counters,
    @Inject(BROKER_STATE) private readonly brokerConnected: BrokerState,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.#process.start();
  }

  onModuleDestroy(): void {
    this.#process.stop();
  }

  read(): Promise<Readings> {
    const now = performance.now();
    if (!this.#last || now - this.#last.at > freshMs) this.#last = { at: now, readings: this.#read() };
    return this.#last.readings;
  }

  /** Without a database this process still tells of itself. */
  async #read(): Promise<Readings> {
    const fleet = await this.#ofFleet().catch((error: unknown) => {
      this.log.warn({ err: error }, 'the figures of the fleet could not be read');
      return undefined;
    });
    return folded([...this.#own(), ['flotilla_database_up', [{ value: fleet ? 1 : 0 }]], ...(fleet ?? [])]);
  }

  #own(): Told[] {
    const counted = Object.entries(this.counters.snapshot()).map(([name, value]) => ({ labels: { name }, value }));
    return [
      ['flotilla_broker_connected', [{ value: this.brokerConnected() ? 1 : 0 }]],
      ['flotilla_leader', [{ value: this.leader.isLeader() ? 1 : 0 }]],
      ['flotilla_counted', counted],
      ...this.#process.read(),
    ];
  }

  async #ofFleet(): Promise<Told[]> {
    const { total, online, maintenance, pending } = await this.devices.count();
    const devices = Object.entries({ online, offline: total - online, maintenance, pending });
    const { last, upTo } = await this.rollups.watermark.distance();
    return [
      ['flotilla_devices', devices.map(([state, value]) => ({ labels: { state }, value }))],
      ['flotilla_rollup_behind_records', [{ value: Math.max(0, last - upTo) }]],
      ['flotilla_kill_slots', await this.#killSlots()],
      ...windows((await this.queries.answer(recent)).items),
      ...(await this.fleet.read()),
    ];
  }

  async #killSlots(): Promise<Reading[]> {
    const { items } = await this.kills.list({ limit: mostSeries });
    return items
      .filter(({ lifted }) => !lifted)
      .flatMap(({ id, counts: { confirmed, pending, failed, unreached } }) =>
        Object.entries({ confirmed, pending, failed, unreached }).map(([state, value]) => ({
          labels: { kill: id, state },
          value,
        })),
      );
  }
}

function windows(items: readonly TelemetryGroup[]): Told[] {
  const of = (read: (item: TelemetryGroup) => Reading[]) =>
    items.flatMap((item) => {
      const common = { release: item.key['release']!, hardware_class: item.key['hardwareClass']! };
      return read(item).map(({ labels, value }) => ({ labels: { ...common, ...labels }, value }));
    });
  return [
    ['flotilla_inferences', of(({ ok, errors, sheds }) => labelled('outcome', { ok, error: errors, shed: sheds }))],
    [
      'flotilla_latency_ms',
      of(({ latency: { total } }) => labelled('quantile', { '0.5': total.p50, '0.95': total.p95, '0.99': total.p99 })),
    ],
    ['flotilla_runner_restarts', of(({ restarts }) => [{ value: restarts }])],
  ];
}

const labelled = (name: string, values: Readonly<Record<string, number | undefined>>): Reading[] =>
  Object.entries(values).flatMap(([text, value]) => (value === undefined ? [] : [{ labels: { [name]: text }, value }]));
