import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlotName } from '@flotilla/protocol/device';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aFleetCa, type FleetCa } from '../fixtures/fleet-ca.js';
import { CredentialFiles } from './credential-files.js';

const slot = SlotName.parse('inspection');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const token = 'correct-horse-battery';
let one: FleetCa;
let other: FleetCa;
beforeAll(async () => {
  [one, other] = [await aFleetCa('one'), await aFleetCa('other')];
});
let folder: string;
let lines: string[];
const files = () => ({
  certificate: join(folder, 'slot.crt'),
  key: join(folder, 'slot.key'),
  clientCa: join(folder, 'ca.pem'),
  tokens: join(folder, 'tokens'),
});
const put = (name: string, text: string, mode = 0o600) => {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'credentials-'));
  lines = [];
  put('slot.crt', one.tls.cert);
  put('slot.key', one.tls.key);
  put('ca.pem', other.ca.toString('pem'));
  put('tokens', `# for the HMI\n${token}\n\nsha256:${sha256('the-second-token')}\n`);
});
afterEach(() => rmSync(folder, { recursive: true }));
const log = () => {
  const line = (_fields: object, message: string) => void lines.push(message);
  return { debug: line, info: line, warn: line, error: line };
};
const open = (now?: () => number) => new CredentialFiles({ slot }, files(), log(), now);

it('reads what the runner needs, and no token in plain', () => {
  expect(open().current).toEqual({
    certificate: one.tls.cert,
    key: one.tls.key,
    clientCa: other.ca.toString('pem'),
    tokens: [sha256(token), sha256('the-second-token')],
  });
  expect(lines).toEqual(['the certificate of slot "inspection" expires soon']);
});

it('says when the certificate has expired', () => {
  open(() => Date.now() + 86_400_000);
  expect(lines).toEqual(['the certificate of slot "inspection" has expired']);
});

describe('refuses at the start', () => {
  it.each<[string, () => void, RegExp]>([
    ['a missing file', () => rmSync(join(folder, 'slot.crt')), /slot\.crt cannot be read: ENOENT/],
    ['no certificate', () => put('slot.crt', 'x'), /slot\.crt holds no certificate in PEM: /],
    ['no key', () => put('slot.key', 'x'), /slot\.key holds no private key in PEM, or one with a password: /],
    ["another's key", () => put('slot.key', other.tls.key), /slot\.key is not the key of .*slot\.crt$/],
    [
      'a key that everybody can read',
      () => chmodSync(join(folder, 'slot.key'), 0o644),
      /slot\.key can be read by everybody .*chmod 640/,
    ],
    ['a client CA that is none', () => put('ca.pem', 'x'), /ca\.pem holds no certificate in PEM: /],
    ['no token', () => put('tokens', '# none\n'), /tokens holds no token: write one a line, of 16 characters or more$/],
    ['a short token', () => put('tokens', 'secret'), /tokens holds a line that is no token of 16 characters/],
    ['half a hash', () => put('tokens', 'sha256:abcdef0123456789'), /tokens holds a line that is no token/],
    [
      'plain tokens for all to see',
      () => chmodSync(join(folder, 'tokens'), 0o640),
      /tokens holds tokens that others .* chmod 600 it/,
    ],
  ])('%s', (_what, change, message) => {
    change();
    expect(open).toThrow(message);
    expect(open).toThrow(/^slot "inspection" cannot be exposed: /);
  });
});

it('speaks of the gateway where they are its own', () => {
  rmSync(join(folder, 'slot.crt'));
  expect(() => new CredentialFiles({}, files(), log())).toThrow(/^the gateway cannot be exposed: .*slot\.crt cannot be read/);
});

it('lets hashes be read by all', () => {
  put('tokens', `sha256:${sha256(token)}\n`, 0o644);
  expect(open().current.tokens).toEqual([sha256(token)]);
});

it('takes new files when they change, and stays with the last good ones while they can not be used', () => {
  const credentials = open();
  expect(credentials.refresh()).toBe(false);
  put('slot.crt', other.tls.cert);
  expect([credentials.refresh(), credentials.refresh()]).toEqual([false, false]);
  expect(credentials.current.certificate).toBe(one.tls.cert);
  expect(lines.filter((line) => line.startsWith('slot "inspection" stays with its old'))).toHaveLength(1);
  put('slot.key', other.tls.key);
  expect(credentials.refresh()).toBe(true);
  expect(credentials.current).toMatchObject({ certificate: other.tls.cert, key: other.tls.key });
  expect(credentials.refresh()).toBe(false);
  utimesSync(join(folder, 'tokens'), 1, 1);
  expect(credentials.refresh()).toBe(true);
});
