import { AppError } from '../platform/errors.js';
import { isReserved } from './selector.js';

/** A label must not pose as what selectors read from elsewhere, nor hold what no selector can write. Undefined: it is all right. */
export function labelProblem(labels: Readonly<Record<string, string>>): string | undefined {
  for (const [key, value] of Object.entries(labels)) {
    if (isReserved(key)) return `labels: "${key}" is what selectors read from the device itself; choose another name`;
    if (key === '' || key.includes('"') || value.includes('"'))
      return `labels: "${key}" is empty or holds a double quote, which no selector can write`;
  }
  return undefined;
}

export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const problem = labelProblem(labels);
  if (problem !== undefined) throw new AppError('INVALID_REQUEST', problem);
}
