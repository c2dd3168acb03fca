import {
  Baseline,
  canonicalJson,
  digestOf,
  Manifest,
  releaseName,
  variantName,
  weightsOf,
  type Digest,
  type ReleaseView,
} from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventsService } from '../events/events.service.js';
import { type ListQuery, type Page, pageFrom } from '../listing.js';
import { Artifacts } from '../platform/artifacts.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { profileIds } from './boards.js';
import { companionProblems } from './companion-files.js';
import { manifestProblems } from './manifest-checks.js';
import type { ReleaseRow } from './release.entity.js';
import { ReleasesRepository } from './releases.repository.js';

const maxManifestBytes = 8 * 1024 ** 2;

@Injectable()
export class ReleasesService {
  constructor(
    @Inject(ReleasesRepository) private readonly releases: ReleasesRepository,
    @Inject(Artifacts) private readonly artifacts: Artifacts,
    @Inject(EventsService) private readonly events: EventsService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The same content again changes nothing (`created` false). */
  async push(manifest: Manifest): Promise<{ release: ReleaseView; created: boolean }> {
    refuseIfAny(releaseName(manifest), manifestProblems(manifest, profileIds()));
    await this.requireFiles(manifest);
    refuseIfAny(releaseName(manifest), await companionProblems(manifest, (file) => this.readJson(file)));
    const digest = await this.artifacts.putBytes(Buffer.from(canonicalJson(manifest)));
    const created = await this.record(digest, manifest);
    return { release: viewOf(await this.mine(digest, manifest)), created };
  }

  async byName(name: string): Promise<ReleaseRow> {
    const at = name.indexOf('@');
    const model = name.slice(0, at);
    const row = at < 0 ? null : await this.releases.byName(model, name.slice(at + 1));
    return row ?? this.notFound(name, model);
  }

  async byDigest(digest: string): Promise<ReleaseRow> {
    const row = await this.releases.byDigest(digest);
    if (!row) throw new AppError('RELEASE_NOT_FOUND', `no release with the digest ${digest}`);
    return row;
  }

  async show(name: string): Promise<ReleaseView> {
    return viewOf(await this.byName(name));
  }

  async list(query: ListQuery & { model?: string | undefined }): Promise<Page<ReleaseView>> {
    const rows = await this.releases.list(query, query.model);
    const page = pageFrom(rows, query.limit, (row) => row.digest);
    return { ...page, items: page.items.map(viewOf) };
  }

  count(): Promise<number> {
    return this.releases.count();
  }

  /** `model@1.2.0` of each digest that is known here. */
  async namesOf(digests: readonly string[], tx?: EntityManager): Promise<Map<string, string>> {
    const rows = await this.releases.namesOf(digests, tx);
    return new Map(rows.map((row) => [row.digest, nameOf(row)]));
  }

  /** What its inputs looked like when it was made; undefined where it came without. */
  async baselineOf(name: string): Promise<Baseline | undefined> {
    const { manifest } = await this.byName(name);
    const file = manifest.files.find(({ path }) => path === manifest.baseline);
    return file && Baseline.parse(await this.readJson(file.sha256));
  }

  /** Brings back the row of a release that the database forgot (it was restored from a backup), if its manifest is still on disk. */
  async recover(tx: EntityManager, digest: Digest): Promise<boolean> {
    const stored = await this.artifacts.has(digest);
    if (!stored || stored.size > maxManifestBytes) return false;
    const manifest = Manifest.safeParse(await this.readJson(digest));
    if (!manifest.success || digestOf(manifest.data) !== digest) return false;
    await this.releases.insert(digest, manifest.data, this.clock.now(), tx);
    return true;
  }

  /** Of a release, or of all of a model; what nobody knows is refused, with what there is. */
  async digestsOf(model: string, version: string | null): Promise<Digest[]> {
    const rows = await this.releases.ofModel(model, version);
    if (rows.length > 0) return rows.map(({ digest }) => digest);
    if (version !== null) return this.notFound(`${model}@${version}`, model);
    const near = (await this.releases.latest(undefined, 50)).map((row) => row.model);
    const hint = near.length > 0 ? `there are ${[...new Set(near)].slice(0, 5).join(', ')}` : 'none has been pushed yet';
    throw new AppError('MODEL_NOT_FOUND', `no release of a model ${model}; ${hint}`);
  }

  private async requireFiles({ model, version, files }: Manifest): Promise<void> {
    const missing: string[] = [];
    for (const { path, sha256, size } of files) {
      const stored = await this.artifacts.has(sha256);
      if (!stored) missing.push(`${path} (sha256 ${sha256}) has not been uploaded: PUT it to /api/v1/artifacts/${sha256} first`);
      else if (stored.size !== size)
        missing.push(`${path} has ${stored.size} bytes, the manifest says ${size}: correct the manifest`);
    }
    if (missing.length > 0) throw new AppError('RELEASE_INCOMPLETE', inWords(nameOf({ model, version }), missing));
  }

  /** Undefined where the bytes are no JSON: a schema then says so. */
  private async readJson(digest: Digest): Promise<unknown> {
    const { stream } = await this.artifacts.open(digest);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  private async record(digest: Digest, manifest: Manifest): Promise<boolean> {
    return this.releases.transaction(async (tx) => {
      const created = await this.releases.insert(digest, manifest, this.clock.now(), tx);
      const name = releaseName(manifest);
      const data = { digest, variants: manifest.variants.length };
      if (created) await this.events.append(tx, { kind: 'release-pushed', actor: 'admin', message: `pushed ${name}`, data });
      return created;
    });
  }

  private async mine(digest: Digest, manifest: Manifest): Promise<ReleaseRow> {
    const row = await this.releases.byName(manifest.model, manifest.version);
    if (row?.digest === digest) return row;
    const name = releaseName(manifest);
    throw new AppError(
      'RELEASE_EXISTS',
      `${name} was pushed with other content before; a release never changes: raise its version`,
    );
  }

  private async notFound(name: string, model: string): Promise<never> {
    const same = await this.releases.latest(model, 5);
    const near = same.length > 0 ? same : await this.releases.latest(undefined, 5);
    const hint = near.length > 0 ? `there are ${near.map(nameOf).join(', ')}` : 'none has been pushed yet';
    throw new AppError('RELEASE_NOT_FOUND', `no release ${name}; ${hint}`);
  }
}

const nameOf = ({ model, version }: Pick<ReleaseRow, 'model' | 'version'>) => `${model}@${version}`;
const inWords = (name: string, problems: readonly string[]) => `${name}: ${problems.slice(0, 20).join('; ')}`;

function refuseIfAny(name: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new AppError('INVALID_RELEASE', inWords(name, problems));
}

const viewOf = ({ digest, manifest, pushedAt }: ReleaseRow): ReleaseView => ({
  model: manifest.model,
  version: manifest.version,
  name: releaseName(manifest),
  digest,
  ...(manifest.summary !== undefined && { summary: manifest.summary }),
  variants: manifest.variants.map((variant) => ({
    file: variantName(variant),
    precision: variant.precision,
    providers: variant.providers,
    size: weightsOf(manifest, variant),
  })),
  sizeBytes: manifest.files.reduce((sum, file) => sum + file.size, 0),
  pushedAt: pushedAt.toISOString(),
});
