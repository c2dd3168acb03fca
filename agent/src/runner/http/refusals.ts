import { messageOf } from '../../errors.js';
import type { Reply } from '../../http/http.js';
import { Overloaded, Withdrawn } from '../queue/queue.js';

/** What the queue's refusals are in HTTP. */
export function queueRefusal(error: unknown): Reply | undefined {
  const body = { error: messageOf(error) };
  // Written to nobody.
  if (error instanceof Withdrawn) return { status: 499, body };
  if (error instanceof Overloaded) return { status: 429, body, headers: { 'retry-after': retryAfter(error) } };
  return undefined;
}

/** Whole seconds, which is all that the header knows. */
const retryAfter = ({ retryAfterMs }: Overloaded) => String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
