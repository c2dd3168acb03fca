import type { DeploymentId, Digest, FeedbackCounts } from '@flotilla/protocol/device';

/** Whose prediction it was. */
type Predictor = { deployment: DeploymentId; digest: Digest; variant?: string | undefined };
type Known = { deployment: DeploymentId; digest: Digest; variant: string };
type Heard = Known & { feedback: FeedbackCounts };

/**
 * Verdicts since the last cut, each under the deployment whose prediction it is about: what is said late of a release that was replaced is not
 * held against the one that serves now.
 */
export class VerdictCounts {
  #heard = new Map<DeploymentId, Heard>();

  constructor(private readonly served: Known) {}

  add(predictor: Predictor, verdict: keyof FeedbackCounts): void {
    const { deployment } = predictor;
    const heard = this.#heard.get(deployment) ?? {
      ...this.#known(predictor),
      feedback: { confirmed: 0, rejected: 0, corrected: 0 },
    };
    heard.feedback[verdict] += 1;
    this.#heard.set(deployment, heard);
  }

  /** Of what serves, and of what served before. */
  cut(): { own?: FeedbackCounts; past: Heard[] } {
    const { deployment } = this.served;
    const own = this.#heard.get(deployment)?.feedback;
    const past = [...this.#heard.values()].filter((heard) => heard.deployment !== deployment);
    this.#heard = new Map();
    return { ...(own && { own }), past };
  }

  /** Lines that an older agent wrote do not say which variant it was. */
  #known({ deployment, digest, variant }: Predictor): Known {
    const { served } = this;
    return { deployment, digest, variant: variant ?? (digest === served.digest ? served.variant : 'unknown') };
  }
}
