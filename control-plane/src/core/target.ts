import { isArtifactFailure, type FailureClass, type UpdateState } from '@flotilla/protocol';

/** A device's place in a rollout, as its reports say. */
type ReportedTarget = 'open' | 'committed' | 'unproven' | 'failed-artifact' | 'failed-place' | 'rejected';

type Report = Readonly<{ state: UpdateState; failure?: FailureClass | undefined; committed?: string | undefined }>;

/**
 * What a report means for the rollout of `digest`; undefined: nothing. Success is commit *and* the digest that the device says it
 * runs: a commit of something else is no success. A roll back on the device is a failure of the class that caused it.
 */
export function targetStateOf(digest: string, report: Report): ReportedTarget | undefined {
  switch (report.state) {
    case 'committed':
      return report.committed === digest ? 'committed' : undefined;
    case 'committed-unproven':
      return report.committed === digest ? 'unproven' : undefined;
    case 'failed':
    case 'rolled-back':
      return report.failure && isArtifactFailure(report.failure) ? 'failed-artifact' : 'failed-place';
    case 'rejected':
      return 'rejected';
    case 'idle':
      return undefined;
    case 'offered':
    case 'resolved':
    case 'downloading':
    case 'waiting':
    case 'verified':
    case 'compiling':
    case 'preflight':
    case 'staged':
    case 'shadowing':
    case 'probation':
    case 'rolling-back':
      return 'open';
  }
}
