import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockId, GroupName } from '@flotilla/protocol';
import { z } from 'zod';
import type { BlockRow } from '../blocks/block.entity.js';
import { nullWhenMissing, writeDurably } from '../platform/durable-file.js';

const time = z.iso.datetime().transform((text) => new Date(text));
const Kept = z.object({
  id: BlockId,
  model: z.string(),
  version: z.string().nullable(),
  group: GroupName.nullable(),
  digests: z.array(z.string()),
  reason: z.string(),
  actor: z.string(),
  at: time,
  liftedAt: time.nullable(),
  liftedBy: z.string().nullable(),
  liftedReason: z.string().nullable(),
}) satisfies z.ZodType<BlockRow>;
const Content = z.object({ v: z.literal(1), blocks: z.array(Kept) });

/** Blocks outside the database: one that is restored from a backup may have forgotten some. */
export class BlockFile {
  readonly #path: string;
  #written: string | undefined;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'blocks.json');
  }

  async read(): Promise<BlockRow[]> {
    const text = await readFile(this.#path, 'utf8').catch(nullWhenMissing);
    if (text === null) return [];
    try {
      return Content.parse(JSON.parse(text)).blocks;
    } catch (cause) {
      // Without it a restored database could offer what was killed: better not to start.
      throw new Error(
        `${this.#path} cannot be read: repair it, or move it away if no database was restored since it was written`,
        { cause },
      );
    }
  }

  async write(blocks: readonly BlockRow[]): Promise<void> {
    const text = `${JSON.stringify({ v: 1, blocks }, null, 2)}\n`;
    if (text === this.#written) return;
    await writeDurably(this.#path, text);
    this.#written = text;
  }
}
