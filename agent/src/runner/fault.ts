import type { ArtifactFailure } from '@flotilla/protocol/device';
import type { PreflightFigures } from '../runner-protocol.js';

/** The release is at fault, not the place: reported by class and never retried here. */
export class ReleaseFault extends Error {
  override readonly name = 'ReleaseFault';
  constructor(
    readonly failure: ArtifactFailure,
    message: string,
    readonly figures: Partial<PreflightFigures> = {},
  ) {
    super(message);
  }
}
