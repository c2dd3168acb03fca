import type { webcrypto } from 'node:crypto';
import * as x509 from './x509.js';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { AppError } from '../platform/errors.js';
import { ecP256 } from './certificates.js';

interface ProvenKey {
  publicKey: webcrypto.CryptoKey;
  /** RFC 7638. */
  thumbprint: string;
}

/** Only the key counts, and that its holder signed the request: subject and extensions are not looked at. */
export async function readCsr(pem: string): Promise<ProvenKey> {
  try {
    const csr = new x509.Pkcs10CertificateRequest(pem);
    const algorithm = acceptedAlgorithm(csr.publicKey.algorithm);
    if (!(await csr.verify())) throw new AppError('INVALID_REQUEST', 'csr: it is not signed by the key that it names');
    const publicKey = await csr.publicKey.export(algorithm, ['verify']);
    return { publicKey, thumbprint: await thumbprintOf(publicKey) };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('INVALID_REQUEST', 'csr: it is not a PKCS #10 certificate request in PEM', { cause });
  }
}

function acceptedAlgorithm(algorithm: { name: string; namedCurve?: string }): { name: string; namedCurve?: string } {
  if (algorithm.name === 'ECDSA' && algorithm.namedCurve === 'P-256') return ecP256;
  if (algorithm.name === 'Ed25519') return { name: 'Ed25519' };
  const found = [algorithm.name, algorithm.namedCurve].filter(Boolean).join(' ');
  throw new AppError('INVALID_REQUEST', `csr: its key is ${found}; a device's key is EC P-256 or Ed25519`);
}

export async function thumbprintOf(publicKey: webcrypto.CryptoKey): Promise<string> {
  return calculateJwkThumbprint((await crypto.subtle.exportKey('jwk', publicKey)) as JWK, 'sha256');
}
