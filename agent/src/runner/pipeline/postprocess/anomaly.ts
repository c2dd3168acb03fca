import type { Anomaly } from '@flotilla/protocol/device';
import { elementsOf, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

export function openAnomaly({ threshold, output }: Anomaly, { outputs }: Surroundings): Postprocess {
  const { name, shape } = outputs.find((candidate) => candidate.name === output) ?? outputs[0]!;
  if (elementsOf(shape.filter((dimension) => dimension >= 0)) !== 1)
    throw new Error(`anomaly reads one number, the output ${name} has [${shape.join(',')}]`);
  return (before) => {
    const [score, ...more] = Array.from(numbersOf(outputOf(before, output)));
    if (score === undefined || more.length > 0) return before;
    return { ...before, findings: { ...before.findings, anomaly: { score, threshold, found: score >= threshold } } };
  };
}
