import type { ByteRange } from '../platform/artifacts.js';

export type Wanted = { kind: 'whole' } | { kind: 'part'; range: ByteRange } | { kind: 'unsatisfiable' };

const single = /^bytes=(\d*)-(\d*)$/;

/** RFC 9110 section 14: one range is answered; what we don't understand, or several, gets the whole. */
export function wantedRange(headers: { range?: string; ifRange?: string }, etag: string, size: number): Wanted {
  const found = single.exec(headers.range?.trim() ?? '');
  // If-Range with another tag: what the client holds is part of something else, so it gets everything.
  if (!found || (headers.ifRange !== undefined && headers.ifRange !== etag)) return { kind: 'whole' };
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return { kind: 'whole' };
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return { kind: 'whole' };
  return start >= size || (first === '' && Number(last) === 0)
    ? { kind: 'unsatisfiable' }
    : { kind: 'part', range: { start, end } };
}
