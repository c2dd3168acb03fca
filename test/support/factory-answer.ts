import type { Prediction } from '@flotilla/agent/prediction';
import { DeploymentId, Digest } from '@flotilla/protocol';

const labels = ['good', 'scratch', 'dent'];
/** Parts of one kind come one after another. */
const run = 50;
const digest = Digest.parse('a'.repeat(64));
const deployment = DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10');

/** What a classifier of parts that also measures them answers. */
export function anAnswer(number: number): Prediction {
  const index = Math.floor(number / run) % labels.length;
  const score = 0.9 + (number % 97) / 1000;
  const others = labels.map((label, i) => ({ label, index: i, score: (1 - score) / 2 })).filter((its) => its.index !== index);
  return {
    id: `8f14e45f-0badcafe-${number}`,
    at: new Date().toISOString(),
    seq: number,
    release: 'parts@1.0.0',
    digest,
    deployment,
    top: [{ label: labels[index]!, index, score }, ...others],
    values: [{ name: 'width', value: 12 + (number % 31) / 10, unit: 'mm' }],
    computeMs: 0.1,
    totalMs: 0.2,
  };
}
