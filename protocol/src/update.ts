import { z } from 'zod';

/** A slot's place in an update (idle → … → committed). */
export const UpdateState = z.enum([
  'idle',
  'offered',
  'resolved',
  'downloading',
  'waiting',
  'verified',
  'compiling',
  'preflight',
  'staged',
  'shadowing',
  'probation',
  'committed',
  'committed-unproven',
  'failed',
  'rolling-back',
  'rolled-back',
  'rejected',
]);
export type UpdateState = z.infer<typeof UpdateState>;

/** Failures that speak about the release: they count against a rollout's success. */
export const ArtifactFailure = z.enum(['load', 'golden', 'latency', 'memory', 'crash', 'health']);
export type ArtifactFailure = z.infer<typeof ArtifactFailure>;
/** Failures that speak about the place: own budget, never a reason to roll back. */
export const PlaceFailure = z.enum(['transport', 'trust', 'space', 'incompatible', 'interrupted', 'timed-out']);
export type PlaceFailure = z.infer<typeof PlaceFailure>;
export const FailureClass = z.enum([...ArtifactFailure.options, ...PlaceFailure.options]);
export type FailureClass = z.infer<typeof FailureClass>;

export const isArtifactFailure = (failure: FailureClass): failure is ArtifactFailure =>
  ArtifactFailure.safeParse(failure).success;
