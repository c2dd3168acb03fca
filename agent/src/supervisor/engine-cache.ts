import type { Digest } from '@flotilla/protocol/device';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What engines compile, a folder a release: TensorRT's takes minutes to make. It goes when its release is kept no longer. */
export class EngineCache {
  constructor(
    private readonly folder: string,
    private readonly kept: () => ReadonlySet<Digest>,
  ) {}

  for(digest: Digest): string {
    const own = join(this.folder, digest);
    mkdirSync(own, { recursive: true });
    const kept: ReadonlySet<string> = this.kept();
    for (const name of readdirSync(this.folder))
      if (name !== digest && !kept.has(name)) rmSync(join(this.folder, name), { recursive: true, force: true });
    return own;
  }
}
