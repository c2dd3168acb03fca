import {
  quantileUs,
  type DeviceId,
  type DeviceTelemetryView,
  type SlotName,
  type TelemetrySummaryView,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Baseline, Verdicts } from '../core/baseline.js';
import { leastInferences } from '../core/sample.js';
import { DevicesService } from '../fleet/devices.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { JustStored } from './just-stored.js';
import { sketchOfBins } from './sketch-of-bins.js';
import { releaseTelemetry, vitalsView, windowView } from './telemetry-view.js';
import {
  TelemetryRepository,
  type BaselineFigures,
  type IdRun,
  type OnDevice,
  type StoredVitals,
  type StoredWindow,
  type Told,
} from './telemetry.repository.js';

const hour = 3600 * 1000;

@Injectable()
export class TelemetryService {
  constructor(
    @Inject(TelemetryRepository) private readonly telemetry: TelemetryRepository,
    @Inject(JustStored) private readonly justStored: JustStored,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  store(tx: EntityManager, windows: readonly StoredWindow[], vitals: readonly StoredVitals[]): Promise<IdRun | undefined> {
    return this.telemetry.insert(tx, windows, vitals);
  }

  /** The transaction that stored them is committed. */
  committed(run: IdRun | undefined, windows: readonly StoredWindow[]): void {
    if (run) this.justStored.keep(run, windows);
  }

  /**
   * What each device's windows say of its digest over the last day; no entry: nothing was seen. `wall`: of the time from request to result, too;
   * `verdicts`: and of what people said.
   */
  async baselines(
    tx: EntityManager,
    { slot, devices, wall, verdicts }: { slot: SlotName; devices: readonly OnDevice[]; wall: boolean; verdicts: boolean },
  ): Promise<Map<DeviceId, Baseline>> {
    if (devices.length === 0) return new Map();
    const since = new Date(this.clock.now().getTime() - 24 * hour);
    const figures = await this.telemetry.baselines(tx, slot, devices, since, leastInferences);
    const bins = wall ? Map.groupBy(await this.telemetry.wallBins(tx, slot, devices, since), (b) => b.device) : new Map();
    const said = verdicts ? await this.telemetry.verdicts(tx, slot, devices, since) : [];
    const heard = new Map(said.map(({ device, given, wrong }) => [device, { given, wrong }]));
    return new Map(figures.map((each) => [each.device, baselineOf(each, bins.get(each.device), heard.get(each.device))]));
  }

  /** What windows of these devices tell at all, since then. */
  told(tx: EntityManager, asked: { slot: SlotName; devices: readonly DeviceId[]; since: Date }): Promise<Told[]> {
    return this.telemetry.told(tx, asked.slot, asked.devices, asked.since);
  }

  async ofDevice(device: DeviceId, limit: number): Promise<DeviceTelemetryView> {
    await this.devices.get(device);
    const [windows, vitals] = await Promise.all([
      this.telemetry.latestWindows(device, limit),
      this.telemetry.latestVitals(device, limit),
    ]);
    return { windows: windows.map(windowView), vitals: vitals.map(vitalsView) };
  }

  /** The last hour, per release. */
  async summary(): Promise<TelemetrySummaryView> {
    const since = new Date(this.clock.now().getTime() - hour);
    const [totals, bins] = await Promise.all([this.telemetry.totals(since), this.telemetry.latencyBins(since)]);
    const names = await this.releases.namesOf(totals.map((t) => t.digest));
    const latency = Map.groupBy(bins, (bin) => bin.digest);
    return {
      since: since.toISOString(),
      items: totals.map((t) => releaseTelemetry(t, names.get(t.digest), sketchOfBins(latency.get(t.digest) ?? []))),
    };
  }
}

function baselineOf(
  { windows, inferences, meanUs, p50Us, p95Us, rssBytes }: BaselineFigures,
  bins: readonly { bin: number; count: number }[] | undefined,
  verdicts: Verdicts | undefined,
): Baseline {
  const wall = bins && sketchOfBins(bins);
  return {
    windows,
    inferences,
    computeMeanUs: meanUs,
    computeP95Us: p95Us,
    computeP50Us: p50Us,
    ...(wall ? { wallP95Us: quantileUs(wall, 0.95), wallP99Us: quantileUs(wall, 0.99) } : {}),
    ...(rssBytes === null ? {} : { rssP95Bytes: rssBytes }),
    ...(verdicts && verdicts.given > 0 && { verdicts }),
  };
}
