import { z } from 'zod';

/** `?limit` and `?cursor` of every list; the cursor is the key of the last item of the page before. */
export const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().min(1).max(200).optional(),
});
export type ListQuery = z.infer<typeof ListQuery>;

export type Page<T> = { items: T[]; next?: string };

/** Expects one row more than the limit, where there is one: that tells whether another page follows. */
export function pageFrom<T>(rows: readonly T[], limit: number, keyOf: (row: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}
