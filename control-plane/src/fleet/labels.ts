import { z } from 'zod';
import { AppError } from '../platform/errors.js';
import { factKeys } from './selector.js';

/** All labels of a device: the whole set, replacing the old one. */
export const LabelsRequest = z
  .object({ labels: z.record(z.string().min(1).max(64), z.string().max(128)) })
  .refine(({ labels }) => Object.keys(labels).length <= 64, 'a device can bear at most 64 labels')
  .meta({ id: 'LabelsRequest' });
export type LabelsRequest = z.infer<typeof LabelsRequest>;

/** A label must not pose as a fact that selectors read from the device, nor hold what no selector can write. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    if ((factKeys as readonly string[]).includes(key))
      throw new AppError(
        'INVALID_REQUEST',
        `labels: "${key}" is what selectors read from the device itself; choose another name`,
      );
    if (key === '' || key.includes('"') || value.includes('"'))
      throw new AppError('INVALID_REQUEST', `labels: "${key}" is empty or holds a double quote, which no selector can write`);
  }
}
