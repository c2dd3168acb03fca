import { appendFile, open, readFile, rename } from 'node:fs/promises';
import { z } from 'zod';

const Issued = z.object({ device: z.string(), serial: z.string(), expiresAt: z.number() });
type Issued = z.infer<typeof Issued>;

/** Every device certificate that could still be shown: a renewed device holds several, and revoking it means all of them. */
export class CertificateLedger {
  readonly #byDevice = new Map<string, Issued[]>();
  readonly #deviceOf = new Map<string, string>();

  static async open(path: string, now: Date): Promise<CertificateLedger> {
    const ledger = new CertificateLedger(path);
    const kept = (await readEntries(path)).filter((entry) => entry.expiresAt > now.getTime());
    for (const entry of kept) ledger.#remember(entry);
    await replaceFile(path, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    return ledger;
  }

  private constructor(private readonly path: string) {}

  /** On disk before the certificate is handed out: one that we forgot could not be revoked. */
  async record(entry: Issued): Promise<void> {
    await appendFile(this.path, `${JSON.stringify(entry)}\n`, { mode: 0o600, flush: true });
    this.#remember(entry);
  }

  /** This certificate and all earlier ones of the same device. */
  upTo(serial: string): string[] {
    const issued = this.#byDevice.get(this.#deviceOf.get(serial) ?? '') ?? [];
    const last = issued.findIndex((entry) => entry.serial === serial);
    return last < 0 ? [serial] : issued.slice(0, last + 1).map((entry) => entry.serial);
  }

  #remember(entry: Issued): void {
    this.#deviceOf.set(entry.serial, entry.device);
    this.#byDevice.set(entry.device, [...(this.#byDevice.get(entry.device) ?? []), entry]);
  }
}

async function readEntries(path: string): Promise<Issued[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n');
  // A power cut may leave half a last line: its certificate was never handed out.
  const torn = lines.pop();
  if (torn !== '' && torn !== undefined) lines.push(...(isWhole(torn) ? [torn] : []));
  return lines.map((line) => Issued.parse(JSON.parse(line)));
}

function isWhole(line: string): boolean {
  return line.startsWith('{') && line.endsWith('}');
}

async function replaceFile(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  await file.writeFile(text);
  await file.sync();
  await file.close();
  await rename(`${path}.new`, path);
}
