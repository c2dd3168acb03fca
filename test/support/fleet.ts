import { randomBytes } from 'node:crypto';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import type { TestControlPlane } from './control-plane.js';

export type NewDevice = Parameters<DevicesService['enrol']>[1];

export const aNewDevice = (id: string, change: Partial<NewDevice> = {}): NewDevice => ({
  id: DeviceId.parse(id),
  profile: 'generic-x64',
  hardwareClass: 'generic-x64/1.30.0+avx2',
  labels: {},
  keyThumbprint: randomBytes(32).toString('base64url'),
  certificateSerial: randomBytes(8).toString('hex'),
  certificateExpiresAt: new Date(Date.now() + 90 * 86_400_000),
  ...change,
});

/** Another board in the place of a device, as a replacement token lets it in. */
export async function reboarded(controlPlane: TestControlPlane, device: NewDevice): Promise<void> {
  await controlPlane.app
    .get(DataSource)
    .transaction((tx) => controlPlane.app.get(DevicesService).enrol(tx, device, { replace: true }));
}

/** Devices as enrolment makes them, without the agents. */
export async function enrolled(controlPlane: TestControlPlane, ...devices: NewDevice[]): Promise<DeviceId[]> {
  await controlPlane.app.get(DataSource).transaction(async (tx) => {
    for (const device of devices) await controlPlane.app.get(DevicesService).enrol(tx, device);
  });
  return devices.map((device) => device.id);
}
