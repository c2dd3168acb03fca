import { z } from 'zod';

const unitBytes = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 } as const;
const pattern = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|TB)$/;

/** `500MB`, `1.5GB` (powers of ten), or plain bytes; parsed to bytes. */
export const Bytes = z
  .union([z.number().gt(0).max(1e15), z.string().regex(pattern, 'must be an amount such as 800kB, 500MB or 2GB')])
  .transform((value) => {
    if (typeof value === 'number') return Math.floor(value);
    const [, amount, unit] = pattern.exec(value)!;
    return Math.floor(Number(amount) * unitBytes[unit as keyof typeof unitBytes]);
  });
