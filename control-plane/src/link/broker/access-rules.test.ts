import { DeviceId } from '@flotilla/protocol';
import { describe, expect, test } from 'vitest';
import { refuseConnect, refusePublish, refuseSubscribe } from './access-rules.js';
import { type Identity, identityOf } from './identity.js';

const device: Identity = { kind: 'device', device: DeviceId.parse('dev-1') };
const controlPlane: Identity = { kind: 'control-plane' };

test('the certificate tells device and control plane apart', () => {
  expect(identityOf('dev-1')).toEqual(device);
  expect(identityOf('flotilla.control-plane')).toEqual(controlPlane);
  expect(identityOf('flotilla.server')).toBeNull();
  expect(identityOf(['dev-1', 'dev-2'])).toBeNull();
});

describe('a device', () => {
  test.each(['birth', 'heartbeat', 'presence', 'telemetry', 'event'])('publishes its own up/%s', (kind) => {
    expect(refusePublish(device, { topic: `fl/v1/default/dev-1/up/${kind}`, qos: 1 })).toBeNull();
  });

  test.each([
    'fl/v1/default/dev-2/up/birth',
    'fl/v1/other/dev-1/up/birth',
    'fl/v1/default/dev-1/dn/desired',
    'fl/v1/default/dev-1/up/birth/more',
    'fl/v1/default/dev-1/up/other',
    '$SYS/broker/uptime',
    '$CONTROL/dynamic-security/v1',
    '',
  ])('does not publish "%s"', (topic) => {
    expect(refusePublish(device, { topic, qos: 0 })).not.toBeNull();
  });

  test('publishes neither retained nor with QoS 2', () => {
    const topic = 'fl/v1/default/dev-1/up/birth';
    expect(refusePublish(device, { topic, qos: 0, retain: true })).toContain('retained');
    expect(refusePublish(device, { topic, qos: 2 })).toContain('QoS 2');
  });

  test.each(['welcome', 'desired', 'ack', 'command'])('subscribes its own dn/%s', (kind) => {
    expect(refuseSubscribe(device, `fl/v1/default/dev-1/dn/${kind}`, 1)).toBeNull();
  });

  test.each([
    '#',
    '+/#',
    'fl/v1/default/dev-1/dn/#',
    'fl/v1/default/dev-1/dn/+',
    'fl/v1/default/+/dn/desired',
    '$share/x/fl/v1/+/+/up/#',
    '$share/x/fl/v1/default/dev-1/dn/desired',
    'fl/v1/default/dev-2/dn/desired',
    'fl/v1/default/dev-1/up/birth',
    '$SYS/#',
  ])('does not subscribe "%s"', (filter) => {
    expect(refuseSubscribe(device, filter, 0)).not.toBeNull();
  });

  test('connects under its own id, without a session that outlives the connection', () => {
    expect(refuseConnect(device, { clientId: 'dev-1', clean: true })).toBeNull();
    expect(refuseConnect(device, { clientId: 'dev-2', clean: true })).toContain('device id');
    expect(refuseConnect(device, { clientId: 'cp-1', clean: true })).toContain('device id');
    expect(refuseConnect(device, { clientId: '', clean: true })).toContain('device id');
    expect(refuseConnect(device, { clientId: 'dev-1', clean: false })).toContain('persistent');
  });

  test('leaves a will on its own presence only', () => {
    const will = (topic: string, retain = false) => ({ clientId: 'dev-1', clean: true, will: { topic, qos: 1, retain } });
    expect(refuseConnect(device, will('fl/v1/default/dev-1/up/presence'))).toBeNull();
    expect(refuseConnect(device, will('fl/v1/default/dev-2/up/presence'))).not.toBeNull();
    expect(refuseConnect(device, will('fl/v1/default/dev-1/up/event'))).not.toBeNull();
    expect(refuseConnect(device, will('fl/v1/default/dev-1/up/presence', true))).toContain('retained');
  });
});

describe('a control plane', () => {
  test('hears what devices send and speaks to each of them', () => {
    expect(refuseSubscribe(controlPlane, 'fl/v1/+/+/up/#', 1)).toBeNull();
    expect(refusePublish(controlPlane, { topic: 'fl/v1/default/dev-1/dn/desired', qos: 1 })).toBeNull();
    expect(refuseConnect(controlPlane, { clientId: 'cp-1', clean: true })).toBeNull();
  });

  test('a shared filter, which this broker would grant and never deliver, is refused', () => {
    expect(refuseSubscribe(controlPlane, '$share/cp/fl/v1/+/+/up/#', 1)).not.toBeNull();
  });

  test('does not speak for a device, nor under a device id', () => {
    expect(refusePublish(controlPlane, { topic: 'fl/v1/default/dev-1/up/birth', qos: 1 })).not.toBeNull();
    expect(refusePublish(controlPlane, { topic: 'fl/v1/default/dev-1/dn/other', qos: 1 })).not.toBeNull();
    expect(refuseConnect(controlPlane, { clientId: 'dev-1', clean: true })).not.toBeNull();
  });
});
