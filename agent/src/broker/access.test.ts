import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refuseConnect, refusePublish, refuseSubscribe, rightsOf } from './access.js';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'flotilla-broker-'))));
afterEach(() => rm(folder, { recursive: true }));

describe('who is who', () => {
  it('everybody, where no users are named', async () => expect(await rightsOf([], undefined, undefined)).toBe('write'));

  it('a user by the password in its file, whenever that is changed', async () => {
    const passwordFile = join(folder, 'password');
    const users = [{ name: 'scada', passwordFile, may: 'read' as const }];
    await writeFile(passwordFile, 'secret\n');
    expect(await rightsOf(users, 'scada', Buffer.from('secret'))).toBe('read');
    expect(await rightsOf(users, 'scada', Buffer.from('other'))).toBeUndefined();
    expect(await rightsOf(users, 'scada', undefined)).toBeUndefined();
    expect(await rightsOf(users, 'mes', Buffer.from('secret'))).toBeUndefined();
    await writeFile(passwordFile, 'other');
    expect(await rightsOf(users, 'scada', Buffer.from('other'))).toBe('read');
    await writeFile(passwordFile, '');
    expect(await rightsOf(users, 'scada', Buffer.from(''))).toBeUndefined();
  });
});

it.each([
  ['read', { topic: 'a' }, 'may read only'],
  ['write', { topic: '$SYS/x' }, 'begin with $'],
  ['write', { topic: 'a', qos: 2 }, 'QoS 2'],
  ['write', { topic: 'a', qos: 1 }, undefined],
] as const)('%s publishes %j: %s', (rights, packet, why) =>
  expect(refusePublish(rights, packet) ?? undefined).toEqual(why && expect.stringContaining(why)),
);

it('keeps no session, and no will of who may not publish', () => {
  expect(refuseConnect('write', { clean: false })).toContain('persistent');
  expect(refuseConnect('write', { clean: true, will: { topic: 'a' } })).toBeNull();
  expect(refuseConnect('read', { clean: true, will: { topic: 'a' } })).toContain('read only');
});

it('grants no filter that aedes grants and never serves', () => {
  expect(refuseSubscribe('$share/g/a')).not.toBeNull();
  expect(refuseSubscribe('#')).toBeNull();
});
