import { createPublicKey, sign, type KeyObject } from 'node:crypto';

/**
 * A certificate signing request (PKCS #10, RFC 2986) for an EC P-256 key, signed with ECDSA and SHA-256.
 * The subject is empty: the fleet's CA looks at the key only. Written out in DER because it is five nested
 * values, where a library for it takes more memory than the rest of the supervisor's own code.
 */
export function certificateRequest(key: KeyObject): string {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = tlv(sequence, version0, tlv(sequence), publicKey, tlv(attributes));
  const signature = tlv(bitString, Buffer.of(0), sign('sha256', info, key));
  return pem('CERTIFICATE REQUEST', tlv(sequence, info, tlv(sequence, ecdsaWithSha256), signature));
}

/** X.690: universal tags, and the context tag [0] of a request's attributes. */
const sequence = 0x30;
const bitString = 0x03;
const attributes = 0xa0;
const version0 = Buffer.of(0x02, 1, 0);
/** OID 1.2.840.10045.4.3.2 (RFC 5758). */
const ecdsaWithSha256 = Buffer.from('06082a8648ce3d040302', 'hex');

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), derLength(value.length), value]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
