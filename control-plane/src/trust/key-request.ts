import { Pkcs10CertificateRequestGenerator } from './x509.js';
import { exportPKCS8 } from 'jose';
import { ecP256 } from './certificates.js';

export interface KeyRequest {
  /** PKCS #8, PEM. */
  key: string;
  csr: string;
}

/** A new key and the request to certify it: what a device makes of itself, and what stands in for one in a probe. */
export async function makeKeyRequest(subject = 'CN=device'): Promise<KeyRequest> {
  const keys = await crypto.subtle.generateKey(ecP256, true, ['sign', 'verify']);
  const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: subject, keys, signingAlgorithm });
  return { key: await exportPKCS8(keys.privateKey), csr: csr.toString('pem') };
}
