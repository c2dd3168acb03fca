import { z } from 'zod';

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const pattern = /^(\d+(?:\.\d+)?)(s|m|h|d)$/;

/** `90s`, `10m`, `2h`, `7d`, or plain seconds; parsed to seconds. */
export const Duration = z
  .union([
    z
      .number()
      .min(0)
      .max(366 * 86_400),
    z.string().regex(pattern, 'must be a duration such as 90s, 10m, 2h or 7d'),
  ])
  .transform((value) => {
    if (typeof value === 'number') return value;
    const [, amount, unit] = pattern.exec(value)!;
    return Number(amount) * unitSeconds[unit as keyof typeof unitSeconds];
  });
