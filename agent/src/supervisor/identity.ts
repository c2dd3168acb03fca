import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EnrolResponse } from '@flotilla/protocol/device';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { readIfThere, writeDurably } from './durable-file.js';
import { StartError } from './start-error.js';
import { messageOf } from '../errors.js';

/** What enrolment gave the device; stored as it came. */
export const Identity = EnrolResponse;
export type Identity = EnrolResponse;

const folderOf = (data: string) => join(data, 'identity');
const keyFile = (data: string) => join(folderOf(data), 'key.pem');
const identityFile = (data: string) => join(folderOf(data), 'identity.json');

/** The device's own key: made here once, never sent anywhere. EC P-256, which every TLS server takes in a client certificate. */
export function deviceKey(data: string): KeyObject {
  const stored = readIfThere(keyFile(data));
  if (stored !== undefined) return parse(keyFile(data), () => createPrivateKey(stored));
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  mkdirSync(folderOf(data), { recursive: true, mode: 0o700 });
  writeDurably(keyFile(data), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  return privateKey;
}

/** RFC 7638, of the public half. */
export async function keyThumbprint(key: KeyObject): Promise<string> {
  return calculateJwkThumbprint(await exportJWK(createPublicKey(key)));
}

/** Undefined before enrolment. */
export function loadIdentity(data: string): Identity | undefined {
  const stored = readIfThere(identityFile(data));
  return stored === undefined ? undefined : parse(identityFile(data), () => Identity.parse(JSON.parse(stored)));
}

export function saveIdentity(data: string, identity: Identity): void {
  mkdirSync(folderOf(data), { recursive: true, mode: 0o700 });
  writeDurably(identityFile(data), JSON.stringify(identity));
}

export interface TlsCredentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}
export const credentials = (key: KeyObject, { certificate, ca }: Identity): TlsCredentials => ({
  key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  cert: certificate,
  ca,
});

/** Milliseconds since 1970. */
export function validity(certificate: string): { from: number; to: number } {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { from: Date.parse(validFrom), to: Date.parse(validTo) };
}

function parse<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = `${file} is damaged (${messageOf(cause).split('\n')[0]}): restore it, or remove the folder "identity" and enrol again.`;
    throw new StartError('dataFolder', message, { cause });
  }
}
