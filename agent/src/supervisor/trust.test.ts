import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aDesired, aDirector, device, thumbprint } from './fixtures/director.js';
import { Trust } from './trust.js';
import { TrustedClock } from './trusted-clock.js';

type Director = Awaited<ReturnType<typeof aDirector>>;
let director: Director;
let stranger: Director;
let folder: string;
let alarms: string[];
beforeAll(async () => {
  [director, stranger] = await Promise.all([aDirector(), aDirector()]);
  folder = mkdtempSync(join(tmpdir(), 'trust-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  alarms = [];
  for (const name of ['desired.jws', 'clock.json']) rmSync(join(folder, name), { force: true });
});

const now = 1_000_000;
const aClock = (os = () => now) => new TrustedClock(join(folder, 'clock.json'), os, 0);
const aTrust = (clock = aClock()) =>
  new Trust({
    anchor: { directorKey: director.directorKey, device, keyThumbprint: thumbprint },
    file: join(folder, 'desired.jws'),
    clock,
    onAlarm: ({ name, message }) => alarms.push(`${name}: ${message}`),
  });
const aCommand = { v: 1, type: 'command', device, nonce: 'n'.repeat(16), deadline: now + 1, command: 'diagnose' };

describe('a desired state', () => {
  it('that the director signed for this device is taken, and again, and with a later expiry', async () => {
    const trust = aTrust();
    expect(await trust.desired(await director.sign(aDesired()))).toEqual(aDesired());
    const { hash } = trust;
    const renewed = aDesired({ expires: 3_000_000 });
    expect(await trust.desired(await director.sign(renewed))).toEqual(renewed);
    expect({ epoch: trust.epoch, hash: trust.hash, alarms }).toEqual({ epoch: 5, hash, alarms: [] });
  });

  const forged = async (jws: string) => {
    const [header, , signature] = jws.split('.');
    return `${header}.${Buffer.from(JSON.stringify(aDesired({ epoch: 6 }))).toString('base64url')}.${signature}`;
  };
  const unsecured = () =>
    `${Buffer.from('{"alg":"none","kid":"director-1"}').toString('base64url')}.${Buffer.from(JSON.stringify(aDesired())).toString('base64url')}.AA`;
  it.each<[string, string, () => Promise<string> | string]>([
    ['unsigned', 'is plain JSON', () => JSON.stringify(aDesired())],
    ['unsigned', 'is empty', () => ''],
    ['foreign-key', 'says that it needs no signature', unsecured],
    ['foreign-key', "was signed by a stranger under the director's name", () => stranger.sign(aDesired())],
    ['foreign-key', 'was signed by a key of another name', () => director.sign(aDesired(), { kid: 'other' })],
    ['foreign-key', 'was altered after signing', async () => forged(await director.sign(aDesired()))],
    ['foreign-key', 'holds no JSON', () => director.sign('{')],
    ['garbled', 'is of a later version', () => director.sign({ ...aDesired(), v: 2 })],
    ['garbled', 'is a command', () => director.sign(aCommand)],
    ['other-device', 'is for another device', () => director.sign({ ...aDesired(), device: 'press-8' })],
    ['other-key', "is for the device's former key", () => director.sign({ ...aDesired(), keyThumbprint: 'U'.repeat(43) })],
    ['old-epoch', 'is older than the one in force', () => director.sign(aDesired({ epoch: 4 }))],
    ['same-epoch', 'gives other orders under the same epoch', () => director.sign(aDesired({ slots: [] }))],
    ['expired', 'has expired', () => director.sign(aDesired({ epoch: 6, expires: now }))],
  ])('is refused as %s when it %s', async (reason, _how, text) => {
    const trust = aTrust();
    await trust.desired(await director.sign(aDesired()));
    for (const _twice of [1, 2]) expect(await trust.desired(await text())).toBeUndefined();
    expect(trust.refused).toEqual({ [reason]: 2 });
    expect(alarms).toEqual([expect.stringMatching(/^desired-refused: refused a/)]);
    expect(trust.epoch).toBe(5);
  });

  it('is in force again after a restart, proven anew', async () => {
    await aTrust().desired(await director.sign(aDesired()));
    const restarted = aTrust();
    expect(await restarted.restore()).toEqual({ desired: aDesired(), expired: false });
    expect(await restarted.desired(await director.sign(aDesired({ epoch: 4 })))).toBeUndefined();
    expect(await aTrust(aClock(() => 2_000_001)).restore()).toMatchObject({ expired: true });
  });

  it('that was altered on the disk is not believed', async () => {
    writeFileSync(join(folder, 'desired.jws'), await stranger.sign(aDesired()));
    const trust = aTrust();
    expect(await trust.restore()).toBeUndefined();
    expect(alarms).toEqual([expect.stringMatching(/^stored-desired-refused/)]);
    expect(trust.epoch).toBe(0);
  });
});

describe('a command', () => {
  it('is taken once', async () => {
    const trust = aTrust();
    const jws = await director.sign(aCommand);
    expect(await trust.command(jws)).toMatchObject({ command: 'diagnose' });
    expect(await trust.command(jws)).toBeUndefined();
    expect(trust.refused).toEqual({ replayed: 1 });
  });

  it.each<[string, object]>([
    ['other-device', { device: 'press-8' }],
    ['expired', { deadline: now }],
    ['garbled', { command: 'reboot' }],
  ])('is refused as %s', async (reason, change) => {
    const trust = aTrust();
    expect(await trust.command(await director.sign({ ...aCommand, ...change }))).toBeUndefined();
    expect(trust.refused).toEqual({ [reason]: 1 });
  });
});

describe('the trusted clock', () => {
  const hours = (n: number) => n * 3_600_000;
  it('does not go back to 1970 once a signed state has vouched for the time', async () => {
    const clock = aClock(() => 0);
    clock.told(hours(10));
    await aTrust(clock).desired(await director.sign(aDesired({ expires: hours(20) })));
    expect(aClock(() => 0).now()).toBe(hours(10));
  });

  it('forgets what a server said that no signed state bears out', async () => {
    const clock = aClock(() => 0);
    clock.told(hours(1000));
    expect(await aTrust(clock).desired(await director.sign(aDesired({ expires: hours(20) })))).toBeUndefined();
    expect(aClock(() => 0).now()).toBe(0);
  });

  it('takes no damage from a damaged file', () => {
    writeFileSync(join(folder, 'clock.json'), '{"v":1,"floor":"soon"}');
    expect(aClock().now()).toBe(now);
    writeFileSync(join(folder, 'clock.json'), '{');
    expect(aClock().now()).toBe(now);
  });
});
