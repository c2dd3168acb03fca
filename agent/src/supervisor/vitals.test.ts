import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadProfiles } from '@flotilla/firmware-profiles';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { energyReader, findSensors } from './sensors.js';
import { busyShare, sensed, VitalsSampler } from './vitals.js';

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
const sense = (id: string) => sensed(profileOf(id), findSensors(profileOf(id), root));

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

  it('are simply absent where the board has none', () => {
    expect(sense('generic-x64')).toEqual({});
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
    const sample = new VitalsSampler(profileOf('generic-x64'), {}).sample();
    expect(sample.supervisorRssBytes).toBeGreaterThan(10_000_000);
    expect(sample.memoryUsedBytes).toBeLessThan(sample.memoryTotalBytes);
  });
});
