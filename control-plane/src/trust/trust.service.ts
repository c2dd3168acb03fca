import { join } from 'node:path';
import { type Command, type DesiredState, type DeviceId, type Digest, sha256 } from '@flotilla/protocol';
import { ExtendedKeyUsage, SubjectAlternativeNameExtension, X509Certificate } from './x509.js';
import { type Authority, type Credential, dayMs, issueLeaf, type LeafRequest, makeAuthority } from './certificates.js';
import { readCsr } from './csr.js';
import { Director } from './director.js';
import { ecKeyPair, readText, type Secrets } from './key-file.js';
import { CertificateLedger } from './ledger.js';
import { controlPlaneName, serverName } from './names.js';
import { Revocations } from './revocations.js';

const deviceDays = 90;
const ownDays = 365;
const renewBeforeMs = 30 * dayMs;

export interface IssuedCertificate {
  certificatePem: string;
  /** Lower-case hex. */
  serial: string;
  expiresAt: Date;
  keyThumbprint: string;
}

interface Parts {
  secrets: Secrets;
  authority: Authority;
  director: Director;
  ledger: CertificateLedger;
  revocations: Revocations;
  /** What the server certificate must name. */
  hosts: string[];
  now: () => Date;
}

/** The fleet's own certificate authority, the director's key, and what is revoked. */
export class TrustService {
  readonly #listeners = new Set<() => void>();
  readonly #renewal: NodeJS.Timeout;
  #server: Credential = { key: '', cert: '' };
  #controlPlane: Credential = { key: '', cert: '' };

  /** Reads the keys from the data folder's secrets, or makes them at the first start. */
  static async open(secrets: Secrets, hosts: string[], now: () => Date = () => new Date()): Promise<TrustService> {
    const authority = await openAuthority(secrets, now());
    const director = await Director.open(secrets);
    const ledger = await CertificateLedger.open(join(secrets.secretsDir, 'certificates.jsonl'), now());
    const revocations = await Revocations.open(secrets, authority);
    const trust = new TrustService({ secrets, authority, director, ledger, revocations, hosts, now });
    await trust.renew();
    return trust;
  }

  private constructor(private readonly parts: Parts) {
    this.#renewal = setInterval(() => void this.#renewOrWarn(), dayMs).unref();
  }

  directorKey = () => this.parts.director.publicKey;
  signDesired = (state: DesiredState) => this.parts.director.sign(state);
  signCommand = (command: Command) => this.parts.director.sign(command);
  caPem = () => this.parts.authority.certificate.toString('pem');
  caSha256 = (): Digest => sha256(new Uint8Array(this.parts.authority.certificate.rawData));
  isRevoked = (serial: string) => this.parts.revocations.has(serial.toLowerCase());

  /** The chain holds the CA too: a device that knows only the CA's hash finds it there. */
  serverTls() {
    const ca = this.caPem();
    return { key: this.#server.key, cert: `${this.#server.cert}\n${ca}\n`, ca, crl: this.parts.revocations.pem() };
  }

  /** When they run out; the server's is made anew in time by itself, the authority's is not. */
  ends() {
    const server = new X509Certificate(this.#server.cert).notAfter;
    return { authority: this.parts.authority.certificate.notAfter.toISOString(), server: server.toISOString() };
  }

  controlPlaneTls() {
    return { key: this.#controlPlane.key, cert: this.#controlPlane.cert, ca: this.caPem() };
  }

  /** Only the CSR's key is taken over; the name is ours to give. */
  async issueDeviceCertificate(csrPem: string, device: DeviceId): Promise<IssuedCertificate> {
    const { publicKey, thumbprint } = await readCsr(csrPem);
    const subject = { CN: device, O: 'flotilla device' };
    const leaf = { subject, publicKey, usage: ExtendedKeyUsage.clientAuth, days: deviceDays };
    const certificate = await issueLeaf(this.parts.authority, leaf, this.parts.now());
    const serial = certificate.serialNumber.toLowerCase();
    await this.parts.ledger.record({ device, serial, expiresAt: certificate.notAfter.getTime() });
    return {
      certificatePem: certificate.toString('pem'),
      serial,
      expiresAt: certificate.notAfter,
      keyThumbprint: thumbprint,
    };
  }

  /** Revokes these certificates and every earlier one of the same devices. */
  async revoke(serials: string[]): Promise<void> {
    const all = serials.flatMap((serial) => this.parts.ledger.upTo(serial.toLowerCase()));
    await this.parts.revocations.add(all, this.parts.now());
    this.#announce();
  }

  /** Called after each new revocation list or server certificate; returns how to stop that. */
  onCrl(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    clearInterval(this.#renewal);
  }

  /** At start and each day: a fresh revocation list, and own certificates before they run out. */
  async renew(): Promise<void> {
    const server = { CN: serverName, O: 'flotilla' };
    const controlPlane = { CN: controlPlaneName, O: 'flotilla' };
    this.#server = await this.#own('server', {
      subject: server,
      usage: ExtendedKeyUsage.serverAuth,
      days: ownDays,
      hosts: this.parts.hosts,
    });
    this.#controlPlane = await this.#own('control-plane', {
      subject: controlPlane,
      usage: ExtendedKeyUsage.clientAuth,
      days: ownDays,
    });
    await this.parts.revocations.add([], this.parts.now());
    this.#announce();
  }

  async #renewOrWarn(): Promise<void> {
    try {
      await this.renew();
    } catch (error) {
      // What we have is good for weeks yet: it is tried again tomorrow.
      process.emitWarning(`the daily renewal of certificates and revocation list failed: ${(error as Error).message}`);
    }
  }

  async #own(name: string, leaf: Omit<LeafRequest, 'publicKey'>): Promise<Credential> {
    const { secrets, authority, now } = this.parts;
    const { pair, pem } = await ecKeyPair(secrets, `${name}.key.pem`);
    const kept = await readText(secrets, `${name}.pem`);
    if (kept !== undefined && isFresh(new X509Certificate(kept), leaf.hosts ?? [], now())) return { key: pem, cert: kept };
    const made = (await issueLeaf(authority, { ...leaf, publicKey: pair.publicKey }, now())).toString('pem');
    await secrets.writeSecret(`${name}.pem`, Buffer.from(made));
    return { key: pem, cert: made };
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}

async function openAuthority(secrets: Secrets, now: Date): Promise<Authority> {
  const { pair } = await ecKeyPair(secrets, 'fleet-ca.key.pem');
  const kept = await readText(secrets, 'fleet-ca.pem');
  if (kept !== undefined) return { certificate: new X509Certificate(kept), key: pair.privateKey };
  const certificate = await makeAuthority(pair, now);
  await secrets.writeSecret('fleet-ca.pem', Buffer.from(certificate.toString('pem')));
  return { certificate, key: pair.privateKey };
}

function isFresh(certificate: X509Certificate, hosts: string[], now: Date): boolean {
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items.map((name) => name.value) ?? [];
  const namesAll = hosts.every((host) => names.includes(host)) && names.length === hosts.length;
  return namesAll && certificate.notAfter.getTime() - now.getTime() > renewBeforeMs;
}
