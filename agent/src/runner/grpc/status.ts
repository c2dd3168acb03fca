import { RequestError } from '../../http/http.js';
import { messageOf } from '../../errors.js';
import { Overloaded, Withdrawn } from '../queue/queue.js';
import { Malformed } from '../../protobuf.js';

export const codes = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;
export type Code = (typeof codes)[keyof typeof codes];

/** How a call ends; `trailers` go with it. */
export type Status = { code: Code; message: string; trailers?: Readonly<Record<string, string>> };

/** A call that ends so, in the protocol's own words. */
export class CallError extends Error {
  override readonly name = 'CallError';
  constructor(
    readonly code: Code,
    message: string,
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** What REST answers with a status of its own; a bad request where none is named. */
const byHttpStatus: Readonly<Record<number, Code>> = {
  404: codes.notFound,
  413: codes.resourceExhausted,
  415: codes.unimplemented,
  429: codes.resourceExhausted,
  501: codes.unimplemented,
  503: codes.unavailable,
};

/** One place that turns outcomes into gRPC's codes, in the words that REST uses. */
export function statusOf(error: unknown): Status {
  const message = messageOf(error);
  if (error instanceof CallError) return { code: error.code, message, trailers: error.trailers };
  if (error instanceof Overloaded)
    return { code: codes.resourceExhausted, message, trailers: { 'grpc-retry-pushback-ms': String(error.retryAfterMs) } };
  if (error instanceof Withdrawn) return { code: codes.cancelled, message };
  if (error instanceof RequestError) return { code: byHttpStatus[error.status] ?? codes.invalidArgument, message };
  if (error instanceof Malformed) return { code: codes.invalidArgument, message: `the message can't be read: ${message}` };
  return { code: codes.internal, message };
}

const longestMessage = 1000;

/** A status travels as headers: text percent-encoded (gRPC over HTTP/2, "Status-Message"), and not at any length. */
export function trailersOf({ code, message, trailers = {} }: Status): Record<string, string> {
  const text = message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message;
  const encoded = text.toWellFormed().replace(/[^ -$&-~]/gu, (character) => encodeURIComponent(character));
  return { 'grpc-status': String(code), ...(encoded === '' ? {} : { 'grpc-message': encoded }), ...trailers };
}
