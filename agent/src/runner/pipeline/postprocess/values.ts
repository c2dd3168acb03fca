import type { Values } from '@flotilla/protocol/device';
import { elementsOf, numbersOf } from '../../tensor.js';
import { outputOf } from '../scores.js';
import type { Postprocess, Surroundings } from '../stages.js';

export function openValues(options: Values, { outputs }: Surroundings): Postprocess {
  for (const { name, index, output } of options) {
    const { shape } = outputs.find((candidate) => candidate.name === output) ?? outputs[0]!;
    const length = elementsOf(shape.filter((dimension) => dimension >= 0));
    if (index >= length) throw new Error(`values reads "${name}" at ${index}, the output has ${length} values`);
  }
  return (before) => {
    const first = outputOf(before, options[0]!.output);
    if (first.shape.length > 1 && first.shape[0] !== 1) return before;
    const values = options.map(({ name, unit, index, scale, offset, output }) => ({
      name,
      value: numbersOf(outputOf(before, output))[index]! * scale + offset,
      ...(unit === undefined ? {} : { unit }),
    }));
    return { ...before, findings: { ...before.findings, values } };
  };
}
