import { sketchLayout, type DeviceId, type Sketch, type SlotName } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DevicesService } from '../fleet/devices.service.js';
import { ReleasesService } from '../models/releases.service.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import {
  releaseTelemetry,
  vitalsView,
  windowView,
  type DeviceTelemetryView,
  type TelemetrySummaryView,
} from './telemetry-view.js';
import { TelemetryRepository, type StoredVitals, type StoredWindow } from './telemetry.repository.js';

const hour = 3600 * 1000;
/** A mean over fewer says little about a device. */
const minBaselineInferences = 20;

@Injectable()
export class TelemetryService {
  constructor(
    @Inject(TelemetryRepository) private readonly telemetry: TelemetryRepository,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(ReleasesService) private readonly releases: ReleasesService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  store(tx: EntityManager, windows: readonly StoredWindow[], vitals: readonly StoredVitals[]): Promise<void> {
    return this.telemetry.insert(tx, windows, vitals);
  }

  /** What one inference of its digest cost each device over the last day, microseconds of compute CPU time; no entry: too little seen. */
  async baseline(
    tx: EntityManager,
    { slot, devices }: { slot: SlotName; devices: readonly { device: DeviceId; digest: string }[] },
  ): Promise<Map<DeviceId, number>> {
    if (devices.length === 0) return new Map();
    const since = new Date(this.clock.now().getTime() - 24 * hour);
    const means = await this.telemetry.means(tx, slot, devices, since, minBaselineInferences);
    return new Map(means.map(({ device, meanUs }) => [device, meanUs]));
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

function sketchOfBins(bins: readonly { bin: number; count: number }[]): Sketch {
  const counts = Array.from({ length: sketchLayout.bins }, () => 0);
  for (const { bin, count } of bins) counts[bin] = count;
  return { first: 0, counts };
}
