import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import { type StatusCode, StatusCodes } from 'node-opcua-client';
import { isErrno, messageOf } from '../../../errors.js';
import type { Logger } from '../../../log.js';

/** Anybody may send certificates: so many of them are kept for a look. */
const mostRejected = 32;
/** The library writes it when it has answered. */
const writtenMs = 500;
const againMs = 60_000;
/** A certificate that ends stops a line; whoever wants shorter ones brings their own. */
const years = 20;

/** The certificates of one server: its own, made at the first start and kept, and those of clients that are trusted. */
export class Certificates {
  readonly manager: OPCUACertificateManager;
  /** No user comes by certificate: that an application is trusted makes nobody of it. */
  readonly noUsers: OPCUACertificateManager;
  readonly #folder: string;
  readonly #told = new Map<string, number>();
  readonly #untold = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    folder: string,
    private readonly log: Logger,
  ) {
    this.#folder = folder;
    const store = { rootFolder: this.#folder, automaticallyAcceptUnknownCertificate: false };
    this.manager = new OPCUACertificateManager(store);
    watch(this.manager, (certificate) => this.#refused(certificate));
    this.noUsers = new OPCUACertificateManager({ ...store, disableFileWatchers: true });
    verdictOf(this.noUsers, async () => StatusCodes.BadCertificateUntrusted);
  }

  /** `trusted`: certificates, besides those in the folder. Throws with what is wrong with a file. */
  static async open(folder: string, trusted: readonly string[], log: Logger): Promise<Certificates> {
    const own = join(folder, 'pki');
    await mkdir(own, { recursive: true, mode: 0o700 });
    const certificates = new Certificates(own, log);
    try {
      await certificates.manager.initialize();
      for (const path of trusted) await certificates.manager.trustCertificate(await certificateIn(path));
      return certificates;
    } catch (error) {
      await certificates.dispose();
      throw error;
    }
  }

  get ownFile(): string {
    return join(this.#folder, 'own', 'certs', 'certificate.pem');
  }

  get rejectedFolder(): string {
    return join(this.#folder, 'rejected');
  }

  get trustedFolder(): string {
    return join(this.#folder, 'trusted', 'certs');
  }

  /** Makes the server's own certificate, where there is none. What it is called by, as clients hold it to what stands in its certificate. */
  async own({ name, hosts }: { name: string; hosts: readonly string[] }): Promise<string> {
    const written = await readFile(this.ownFile).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (written) return this.#uriIn(written);
    const applicationUri = `urn:${hostname()}:Flotilla`;
    const all = [...new Set([hostname(), 'localhost', '127.0.0.1', ...hosts])];
    await this.manager.createSelfSignedCertificate({
      applicationUri,
      subject: { commonName: name, organization: 'Flotilla' },
      dns: all.filter((host) => isIP(host) === 0),
      ip: all.filter((host) => isIP(host) !== 0),
      outputFile: this.ownFile,
      startDate: new Date(),
      validity: years * 365,
    });
    return applicationUri;
  }

  #uriIn(written: Buffer): string {
    const uri = /URI:([^,\s]+)/.exec(parsed(written, this.ownFile).subjectAltName ?? '')?.[1];
    if (uri === undefined) throw new Error(`${this.ownFile} has no application URI, which OPC UA asks for`);
    return uri;
  }

  /** Says which file is to be moved where, once for each certificate in a while. */
  #refused(certificate: Buffer): void {
    const thumbprint = createHash('sha1').update(certificate).digest('hex');
    const now = performance.now();
    for (const [told, at] of this.#told) if (now - at > againMs) this.#told.delete(told);
    if (this.#told.has(thumbprint) || this.#told.size >= mostRejected) return;
    this.#told.set(thumbprint, now);
    this.#untold.add(thumbprint);
    this.#timer ??= setTimeout(() => void this.#tellRefused(), writtenMs);
  }

  async dispose(): Promise<void> {
    clearTimeout(this.#timer);
    await this.manager.dispose();
    await this.noUsers.dispose();
  }

  async #tellRefused(): Promise<void> {
    this.#timer = undefined;
    const thumbprints = [...this.#untold];
    this.#untold.clear();
    const files = await readdir(this.rejectedFolder).catch(() => []);
    for (const file of files.filter((name) => thumbprints.some((its) => name.toLowerCase().includes(its))))
      this.log.warn(
        { output: 'opcua', certificate: join(this.rejectedFolder, file) },
        `a client is not trusted; to trust it: mv '${join(this.rejectedFolder, file)}' '${this.trustedFolder}/'`,
      );
    await this.#keepFew(files);
  }

  async #keepFew(files: readonly string[]): Promise<void> {
    if (files.length <= mostRejected) return;
    const dated = await Promise.all(
      files.map(async (file) => ({
        file,
        at: (await stat(join(this.rejectedFolder, file)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    const oldest = dated.toSorted((one, other) => one.at - other.at).slice(0, files.length - mostRejected);
    for (const { file } of oldest) await unlink(join(this.rejectedFolder, file)).catch(() => undefined);
  }
}

type Chain = Buffer | Buffer[];
type Verdict = (chain: Chain) => Promise<StatusCode>;
type Told = (error: Error | null, status?: StatusCode) => void;

/** The library asks for it in both ways. */
function verdictOf(manager: OPCUACertificateManager, verdict: Verdict): void {
  const answer = (chain: Chain, told?: Told): Promise<StatusCode> | undefined => {
    if (!told) return verdict(chain);
    verdict(chain).then((status) => told(null, status), told);
    return undefined;
  };
  manager.checkCertificate = answer as OPCUACertificateManager['checkCertificate'];
}

/** No event of the library tells of every certificate that is not trusted. */
function watch(manager: OPCUACertificateManager, onUntrusted: (certificate: Buffer) => void): void {
  const check = manager.checkCertificate.bind(manager);
  verdictOf(manager, async (chain) => {
    const status = await check(chain);
    const [certificate] = Array.isArray(chain) ? chain : [chain];
    if (certificate && status.equals(StatusCodes.BadCertificateUntrusted)) onUntrusted(certificate);
    return status;
  });
}

async function certificateIn(path: string): Promise<Buffer> {
  const written = await readFile(path).catch((error: unknown) => {
    throw new Error(`${path} can not be read: ${messageOf(error)}`);
  });
  return parsed(written, path).raw;
}

function parsed(written: Buffer, path: string): X509Certificate {
  try {
    return new X509Certificate(written);
  } catch (error) {
    throw new Error(`${path} is no certificate, PEM or DER: ${messageOf(error)}`, { cause: error });
  }
}
