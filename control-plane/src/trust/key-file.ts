import type { webcrypto } from 'node:crypto';
import { exportJWK, exportPKCS8, generateKeyPair, importJWK, type JWK } from 'jose';
import { PemConverter } from './x509.js';
import { ecP256 } from './certificates.js';

/** Where private keys live: the data folder's secrets, files of mode 0600. */
export interface Secrets {
  /** The folder itself, for files that are appended to. */
  secretsDir: string;
  /** Null, or undefined, where the secret was never written. */
  readSecret(name: string): Promise<Uint8Array | string | null | undefined>;
  writeSecret(name: string, bytes: Buffer): Promise<unknown>;
}

export async function readText(secrets: Secrets, name: string): Promise<string | undefined> {
  const found = await secrets.readSecret(name);
  return found === null || found === undefined ? undefined : Buffer.from(found as Uint8Array).toString('utf8');
}

/** The key pair kept under `name`, made when it is asked for the first time. */
export async function ecKeyPair(secrets: Secrets, name: string): Promise<{ pair: webcrypto.CryptoKeyPair; pem: string }> {
  const kept = await readText(secrets, name);
  if (kept !== undefined) return { pair: await importEcPair(kept), pem: kept };
  const pair = await crypto.subtle.generateKey(ecP256, true, ['sign', 'verify']);
  const pem = await exportPKCS8(pair.privateKey);
  await secrets.writeSecret(name, Buffer.from(pem));
  return { pair, pem };
}

async function importEcPair(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = await crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), ecP256, true, ['sign']);
  const { kty, crv, x, y } = await exportJWK(privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', { kty: kty!, crv: crv!, x: x!, y: y! }, ecP256, true, ['verify']);
  return { privateKey, publicKey };
}

/** Ed25519, kept as a JWK (RFC 8037). */
export async function edKey(secrets: Secrets, name: string): Promise<{ key: webcrypto.CryptoKey; x: string }> {
  const kept = await readText(secrets, name);
  const jwk = kept === undefined ? await makeEdKey(secrets, name) : (JSON.parse(kept) as JWK);
  const key = await importJWK(jwk, 'EdDSA');
  if (key instanceof Uint8Array || jwk.x === undefined) throw new Error(`${name}: not an Ed25519 key in JWK form`);
  return { key, x: jwk.x };
}

async function makeEdKey(secrets: Secrets, name: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const jwk = await exportJWK(privateKey);
  await secrets.writeSecret(name, Buffer.from(JSON.stringify(jwk)));
  return jwk;
}
