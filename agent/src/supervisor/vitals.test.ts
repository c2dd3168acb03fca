import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BootId, type TelemetryRecord } from '@flotilla/protocol/device';
import { loadProfiles } from '@flotilla/firmware-profiles';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { energyReader, findSensors } from './sensors.js';
import { BoardLog } from './board-log.js';
import { Records } from './records.js';
import { busyShare, VitalsSampler } from './vitals.js';
import { anInferenceWindow } from '../fixtures/telemetry.js';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'sensors-'))));
afterEach(() => rmSync(root, { recursive: true }));

const profileOf = (id: string) => loadProfiles().find((profile) => profile.id === id)!;
function files(contents: Record<string, string>): void {
  for (const [path, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `${text}\n`);
  }
}
/** What a window that lasts two readings is told. */
function sense(id: string) {
  let now = 100;
  const board = new BoardLog(findSensors(profileOf(id), root), () => now++);
  board.read();
  return board.felt(100, 102);
}

describe('the sensors of a board', () => {
  it('give temperature and undervoltage on a Raspberry Pi 5', () => {
    const pi = { 'sys/class/thermal/thermal_zone0/type': 'cpu-thermal', 'sys/class/hwmon/hwmon1/name': 'rpi_volt' };
    files({ ...pi, 'sys/class/thermal/thermal_zone0/temp': '61200', 'sys/class/hwmon/hwmon1/in0_lcrit_alarm': '0' });
    expect(sense('raspberry-pi-5')).toEqual({ temperatureC: 61.2, throttled: false });
    files({ 'sys/class/hwmon/hwmon1/in0_lcrit_alarm': '1' });
    expect(sense('raspberry-pi-5')).toMatchObject({ throttled: true });
    files({ 'sys/class/hwmon/hwmon1/in0_lcrit_alarm': '0', 'sys/class/thermal/thermal_zone0/temp': '80000' });
    expect(sense('raspberry-pi-5')).toEqual({ temperatureC: 80, throttled: true });
  });

  it("give the power of a Jetson's rail, and its next best temperature where the best reads empty", () => {
    const zones = { 'sys/class/thermal/thermal_zone0/type': 'tj-thermal', 'sys/class/thermal/thermal_zone3/type': 'cpu-thermal' };
    const chip = 'sys/class/hwmon/hwmon2';
    files({ ...zones, 'sys/class/thermal/thermal_zone0/temp': '', 'sys/class/thermal/thermal_zone3/temp': '48500' });
    files({
      [`${chip}/name`]: 'ina3221',
      [`${chip}/in1_label`]: 'VDD_IN',
      [`${chip}/in1_input`]: '5000',
      [`${chip}/curr1_input`]: '1400',
    });
    expect(sense('jetson-orin-nano')).toMatchObject({ temperatureC: 48.5, powerW: 7 });
  });

  it('tell how long an Intel processor was held back, by its counter', () => {
    const counter = 'sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_total_time_ms';
    files({ [counter]: '1000' });
    const { throttled } = findSensors(profileOf('generic-x64'), root);
    expect([throttled!(), throttled!()]).toEqual([0, 0]);
    files({ [counter]: '9000000' });
    expect(throttled!()).toBe(1);
    expect(sense('generic-x64')).toEqual({ throttled: false });
  });

  it('are simply absent where the board has none', () => {
    expect(sense('generic-x64')).toEqual({});
  });

  it('give load and clock of a Jetson’s GPU, by its name in the device tree', () => {
    const gpu = 'sys/class/devfreq/17000000.gpu';
    files({ [`${gpu}/device/of_node/name`]: 'gpu\0', [`${gpu}/device/load`]: '437', [`${gpu}/cur_freq`]: '612000000' });
    files({ 'sys/class/devfreq/2c60000.external-memory-controller/cur_freq': '3199000000' });
    expect(sense('jetson-agx-orin')).toEqual({ gpu: 0.437, gpuMHz: 612 });
    files({ [`${gpu}/device/load`]: '1002' });
    expect(sense('jetson-orin-nano')).toMatchObject({ gpu: 1 });
    expect(sense('jetson-xavier-nx')).toEqual({});
    files({ [`${gpu}/device/of_node/name`]: 'gv11b', [`${gpu}/device/load`]: '' });
    expect(sense('jetson-xavier-nx')).toEqual({ gpuMHz: 612 });
  });

  it('tell by the zone’s lowest passive trip point that the board is held back, where the profile names no limit', () => {
    const zone = 'sys/class/thermal/thermal_zone0';
    files({ [`${zone}/type`]: 'tj-thermal', [`${zone}/temp`]: '98900' });
    expect(sense('jetson-orin-nano')).toEqual({ temperatureC: 98.9 });
    const trips = { active: '60000', critical: '104500', passive: '99000', hot: '0' };
    for (const [i, [type, temp]] of Object.entries(trips).entries())
      files({ [`${zone}/trip_point_${i}_type`]: type, [`${zone}/trip_point_${i}_temp`]: temp });
    files({ [`${zone}/trip_point_9_type`]: 'passive', [`${zone}/trip_point_9_temp`]: '-274000' });
    expect(sense('jetson-orin-nano')).toEqual({ temperatureC: 98.9, throttled: false });
    files({ [`${zone}/temp`]: '99000' });
    expect(sense('jetson-orin-nano')).toEqual({ temperatureC: 99, throttled: true });
  });

  it('give watts from a counter of energy, and nothing while it wraps', () => {
    const counter = [1_000_000, 6_000_000, 500_000, 2_500_000];
    const times = [0, 1000, 2000, 4000];
    const read = energyReader(
      () => counter.shift(),
      () => times.shift()!,
    );
    expect([read(), read(), read(), read()]).toEqual([0, 5, undefined, 1]);
  });
});

describe('vitals', () => {
  it('tell the busy share of all cores', () => {
    expect(busyShare({ busy: 100, all: 1000 }, { busy: 175, all: 1100 })).toBe(0.75);
    expect(busyShare({ busy: 100, all: 1000 }, { busy: 100, all: 1000 })).toBe(0);
  });

  it('are of this machine', () => {
    const sample = new VitalsSampler(new BoardLog({}, () => 0)).sample(0, 10);
    expect(sample.supervisorRssBytes).toBeGreaterThan(10_000_000);
    expect(sample.memoryUsedBytes).toBeLessThan(sample.memoryTotalBytes);
  });
});

describe('windows', () => {
  const watts = [4, 6, 8];
  const celsius = [50, 84, 60];
  let now = 0;
  const board = new BoardLog({ powerW: () => watts[now - 1], temperatureC: () => celsius[now - 1], throttleC: 80 }, () => now);
  const kept: TelemetryRecord[] = [];
  const records = new Records({
    boot: BootId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10'),
    uptime: () => now,
    outbox: {
      append: (record) => void kept.push(record as TelemetryRecord),
      state: { records: 0, bytes: 0, dropped: 0 } as never,
    },
    board,
    sampler: new VitalsSampler(board),
    runnerRssBytes: () => undefined,
    serving: () => 2,
  });
  const { boot: _, start: __, end: ___, ...window } = anInferenceWindow();

  it('are told how the board was, and each slot its part of what that drew', () => {
    for (now = 1; now < 3; now++) board.read();
    records.window({ type: 'window', durationS: 3, window });
    expect(kept.at(-1)).toMatchObject({ start: 0, end: 3, temperatureMaxC: 84, throttledMs: 1000, energyJ: 9 });
  });
  it('on what an earlier deployment predicted are not', () => {
    records.window({ type: 'window', durationS: 3, past: true, window });
    expect(kept.at(-1)).toMatchObject({ start: 0, end: 3 });
    for (const key of ['temperatureMaxC', 'throttledMs', 'energyJ']) expect(kept.at(-1)).not.toHaveProperty(key);
  });
});
