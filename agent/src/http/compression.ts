import { promisify } from 'node:util';
import { type Gunzip, type Inflate, constants, createGunzip, createInflate, deflate, gzip } from 'node:zlib';

/** HTTP's `deflate` is the zlib format (RFC 9110, 8.4.1.2), not the bare stream of that name. */
export type Coding = 'gzip' | 'deflate';
export const codings: readonly Coding[] = ['gzip', 'deflate'];

const compressors = { gzip: promisify(gzip), deflate: promisify(deflate) };
/** Tensors are many and the cores few: the levels above the first cost several times its time for a few per cent. */
const options = { level: constants.Z_BEST_SPEED };
/** Below this the headers outweigh what is saved. */
const leastBytes = 1024;

export const decompressor = (coding: Coding): Gunzip | Inflate => (coding === 'gzip' ? createGunzip() : createInflate());

/** By its registered name or its old one; undefined where it is neither gzip nor deflate. */
export function codingNamed(name: string): Coding | undefined {
  const lower = name.trim().toLowerCase();
  return lower === 'x-gzip' ? 'gzip' : codings.find((coding) => coding === lower);
}

/** The best of what `Accept-Encoding` asks for by name; `*` asks for nothing in particular. */
export function acceptedCoding(header: string | undefined): Coding | undefined {
  let best: { coding: Coding; quality: number } | undefined;
  for (const item of header?.split(',') ?? []) {
    const [name = '', ...parameters] = item.split(';');
    const coding = codingNamed(name);
    const quality = qualityOf(parameters);
    if (coding && quality > (best?.quality ?? 0)) best = { coding, quality };
  }
  return best?.coding;
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.map((parameter) => /^\s*q=([\d.]+)\s*$/i.exec(parameter)?.[1]).find((value) => value !== undefined);
  return given === undefined ? 1 : Number(given) || 0;
}

type Content = { headers: Record<string, string>; body: Buffer; tail?: readonly Uint8Array[] };

/** The content under a coding the client takes, where that makes it smaller. */
export async function compressed(content: Content, acceptEncoding: string | undefined): Promise<Content> {
  const coding = acceptedCoding(acceptEncoding);
  const plain = coding ? Buffer.concat([content.body, ...(content.tail ?? [])]) : content.body;
  if (!coding || plain.length < leastBytes) return content;
  const body = await compressors[coding](plain, options);
  if (body.length >= plain.length) return content;
  return { headers: { ...content.headers, 'content-encoding': coding }, body };
}
