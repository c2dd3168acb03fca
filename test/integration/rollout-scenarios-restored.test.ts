import { join } from 'node:path';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DeploymentId, type DeviceId } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aShell } from '../support/command-line.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { deviceTls } from '../support/credentials.js';
import { FakeDevice } from '../support/fake-device.js';
import { lookedAt } from '../support/looked-at.js';
import { aDigest } from '../support/records.js';
import { digestOfRelease } from '../support/releases.js';
import { aRolloutRig, newer, slot } from '../support/rollout-rig.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let restored: TestControlPlane | undefined;
let shell: Awaited<ReturnType<typeof aShell>>;
let device: FakeDevice | undefined;

beforeAll(async () => {
  cp = await aControlPlane();
  shell = await aShell(cp);
});
afterAll(async () => {
  await device?.stop();
  await restored?.stop();
  await shell?.close();
  await cp?.stop();
});

it(
  'Given a database as it was before the rollout was complete, When a device comes that is further, Then the rollout pauses and the device keeps what it runs',
  { timeout: 120_000 },
  async () => {
    const rig = await aRolloutRig(cp);
    const its = await lookedAt(cp, rig);
    const { id, devices, looks } = await its.aRollout(2);
    const tls = await aCertificate(devices[0]!);
    await shell.sh('flotilla backup kept');
    await its.commit(devices);
    expect((await looks(1)).phase).toBe('completed');
    const { deployment } = await rig.assigned(devices[0]!);
    // What it was told within that hour, the backup doesn't know.
    const epoch = (await rig.show(devices[0]!)).epoch + 3;

    expect(await shell.sh('flotilla restore kept --data again')).toMatchObject({ code: 0, stderr: '' });
    restored = await aControlPlane({ dataDir: join(shell.dir, 'again') });
    expect((await restored.api('GET', `rollouts/${id}`)).body.phase).toBe('running');
    device = new FakeDevice({ url: restored.urls.mqtt, device: devices[0]!, tls });
    const digest = digestOfRelease(newer);
    device.slots = [{ slot, deployment: DeploymentId.parse(deployment), digest, committed: digest, state: 'committed' }];
    [device.epoch, device.desiredHash] = [epoch, aDigest('of a state that the backup does not know')];
    await device.join();
    await until(async () => (await restored!.api('GET', `rollouts/${id}`)).body.phase === 'paused', 'it pauses', 20_000);
    expect((await restored.api('GET', `rollouts/${id}`)).body).toMatchObject({
      reason: 'state-regressed',
      detail: expect.stringContaining(`${devices[0]} reports epoch ${epoch}`),
    });
    const { slots } = (await restored.api('GET', `devices/${devices[0]}`)).body;
    expect(slots[0].assignment).toMatchObject({ deployment, digest, owner: 'restored' });
  },
);

async function aCertificate(id: DeviceId) {
  const { key, cert, ca, serial } = await deviceTls(cp.app.get(TrustService), id);
  await cp.app.get(DataSource).query(`UPDATE device SET certificate_serial = $2 WHERE id = $1`, [id, serial]);
  return { key, cert, ca };
}
