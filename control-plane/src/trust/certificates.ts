import { randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from './x509.js';

export const ecP256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signedBy = { name: 'ECDSA', hash: 'SHA-256' } as const;
export const dayMs = 86_400_000;
// A device whose clock runs a little behind must not find our certificates 'not yet valid'.
const skewMs = 3_600_000;

export interface Authority {
  certificate: x509.X509Certificate;
  key: webcrypto.CryptoKey;
}
/** A certificate and, where we made the key, its private key: all PEM. */
export interface Credential {
  key: string;
  cert: string;
}

// Positive, at most 20 octets (RFC 5280 section 4.1.2.2), and no leading zero: node prints serials without it.
const newSerial = () => (0x40 | (randomBytes(1)[0]! & 0x3f)).toString(16) + randomBytes(15).toString('hex');

export async function makeAuthority(keys: webcrypto.CryptoKeyPair, now: Date): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=flotilla fleet CA ${randomBytes(4).toString('hex')}, O=flotilla`,
    notBefore: new Date(now.getTime() - skewMs),
    notAfter: new Date(now.getTime() + 3653 * dayMs),
    signingAlgorithm: signedBy,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
}

export interface LeafRequest {
  subject: { CN: string; O: string };
  publicKey: webcrypto.CryptoKey | x509.PublicKey;
  usage: x509.ExtendedKeyUsage;
  days: number;
  /** Host names and addresses, for a server. */
  hosts?: string[];
}

export async function issueLeaf(authority: Authority, leaf: LeafRequest, now: Date): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [leaf.subject.CN] }, { O: [leaf.subject.O] }],
    issuer: authority.certificate.subjectName,
    notBefore: new Date(now.getTime() - skewMs),
    notAfter: new Date(now.getTime() + leaf.days * dayMs),
    signingAlgorithm: signedBy,
    signingKey: authority.key,
    publicKey: leaf.publicKey,
    extensions: await leafExtensions(authority, leaf),
  });
}

async function leafExtensions(authority: Authority, leaf: LeafRequest): Promise<x509.Extension[]> {
  const names = (leaf.hosts ?? []).map((host) => ({ type: isIP(host) === 0 ? ('dns' as const) : ('ip' as const), value: host }));
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([leaf.usage]),
    await x509.SubjectKeyIdentifierExtension.create(leaf.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ];
}

export interface Revoked {
  serial: string;
  at: Date;
}

/** OpenSSL refuses every client once a list has expired: `nextUpdate` lies far beyond the daily renewal. */
export async function makeRevocationList(authority: Authority, revoked: Revoked[], number: number, now: Date): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: authority.certificate.subjectName,
    thisUpdate: new Date(now.getTime() - skewMs),
    nextUpdate: new Date(now.getTime() + 30 * dayMs),
    signingAlgorithm: signedBy,
    signingKey: authority.key,
    entries: revoked.map(({ serial, at }) => ({ serialNumber: serial, revocationDate: at })),
    extensions: [await x509.AuthorityKeyIdentifierExtension.create(authority.certificate), crlNumber(number)],
  });
  // RFC 7468 section 6; the library's own label, "CRL", is not read by OpenSSL.
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** RFC 5280 section 5.2.3: a DER INTEGER that only grows. */
function crlNumber(number: number): x509.Extension {
  const hex = number.toString(16);
  const padded = hex.length % 2 === 0 ? hex : `0${hex}`;
  const bytes = Buffer.from(/^[89a-f]/.test(padded) ? `00${padded}` : padded, 'hex');
  return new x509.Extension('2.5.29.20', false, Buffer.concat([Buffer.from([0x02, bytes.length]), bytes]));
}
