import { ArtifactFailure, type Digest, HardwareClass, isArtifactFailure } from '@flotilla/protocol/device';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UpdateFailure } from '../core/failure.js';
import { type BatchingTrial, PreflightFigures } from '../runner-protocol.js';
import { readIfThere, writeDurably } from './durable-file.js';

const Measured = z.union([PreflightFigures, z.object({ failure: ArtifactFailure, reason: z.string() })]);
type Measured = z.infer<typeof Measured>;
const Choice = z.object({
  v: z.literal(1),
  digest: z.string(),
  hardwareClass: HardwareClass,
  variant: z.string(),
  measured: z.record(z.string(), Measured),
});
type Choice = z.infer<typeof Choice>;
/** Measures one variant in a throwaway runner; throws UpdateFailure. */
type Preflight = (variant: string) => Promise<PreflightFigures>;

/** Which variant of a release is the fastest here that passes its golden set: measured once per release and hardware class. */
export class VariantChoice {
  readonly #folder: string;
  readonly #hardwareClass: string;

  constructor(folder: string, hardwareClass: string) {
    this.#folder = folder;
    this.#hardwareClass = hardwareClass;
    mkdirSync(folder, { recursive: true });
  }

  /** What was chosen here before, if it is still one of those that fit. */
  remembered(digest: Digest, variants: readonly string[]): string | undefined {
    const variant = this.#read(digest)?.variant;
    return variant !== undefined && variants.includes(variant) ? variant : undefined;
  }

  /** Whether batches paid when the variant was measured; undefined where it was not, or declares none. */
  batching(digest: Digest, variant: string): BatchingTrial | undefined {
    const measured = this.#read(digest)?.measured[variant];
    return measured && 'batching' in measured ? measured.batching : undefined;
  }

  /** Throws the first variant's failure when none passes. What says nothing about the artifact ends the measuring. */
  async choose(digest: Digest, variants: readonly string[], preflight: Preflight): Promise<string> {
    const measured: Record<string, Measured> = {};
    let first: UpdateFailure | undefined;
    for (const variant of variants) {
      try {
        measured[variant] = await preflight(variant);
      } catch (error) {
        if (!(error instanceof UpdateFailure) || !isArtifactFailure(error.failure)) throw error;
        first ??= error;
        measured[variant] = { failure: error.failure, reason: error.message };
      }
    }
    const variant = fastest(measured);
    if (variant === undefined) throw first ?? new UpdateFailure('incompatible', 'there is no variant to measure');
    this.#write(digest, variant, measured);
    return variant;
  }

  /** The peak that was measured here when the variant was chosen. */
  peakBytes(digest: Digest, variant: string): number | undefined {
    const measured = this.#read(digest)?.measured[variant];
    return measured && 'peakRssBytes' in measured ? measured.peakRssBytes : undefined;
  }

  /** For a variant that was proven elsewhere than in `choose`: where it had to serve at once, others were not measured. */
  record(digest: Digest, variant: string, figures: PreflightFigures): void {
    this.#write(digest, variant, { [variant]: figures });
  }

  #read(digest: Digest): Choice | undefined {
    const text = readIfThere(this.#file(digest));
    const choice = text === undefined ? undefined : Choice.safeParse(parseJson(text)).data;
    return choice?.digest === digest && choice.hardwareClass === this.#hardwareClass ? choice : undefined;
  }

  #write(digest: Digest, variant: string, measured: Record<string, Measured>): void {
    const choice: Choice = { v: 1, digest, hardwareClass: this.#hardwareClass, variant, measured };
    writeDurably(this.#file(digest), JSON.stringify(choice));
  }

  #file(digest: Digest): string {
    const hardware = createHash('sha256').update(this.#hardwareClass).digest('hex').slice(0, 16);
    return join(this.#folder, `${digest}-${hardware}.json`);
  }
}

/**
 * A variant that seemed the best and failed must not cost the release another that passes; it is in the file with its reason. What could
 * not be timed comes after what could; among those, the first that fits.
 */
function fastest(measured: Record<string, Measured>): string | undefined {
  const passed = Object.entries(measured).flatMap(([variant, m]) =>
    'failure' in m ? [] : [{ variant, ms: m.meanComputeMs ?? Number.MAX_VALUE }],
  );
  return passed.toSorted((a, b) => a.ms - b.ms)[0]?.variant;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a damaged file is a choice not made yet
  }
}
