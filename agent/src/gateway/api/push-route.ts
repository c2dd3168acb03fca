import type { IncomingMessage } from 'node:http';
import { type Reply, RequestError, readBody } from '../../http/http.js';
import type { SlotGateway } from '../slot-gateway.js';
import type { Outcome, Source } from '../source.js';

/** A source that takes what is sent to it. Throws RequestError for what it does not take. */
type Pushed = Source & { push: (body: Buffer, contentType: string | undefined) => Promise<Outcome> };
const isPushed = (source: Source | undefined): source is Pushed => source !== undefined && 'push' in source;

const statuses: Record<Outcome, number> = { inferred: 200, refused: 422, busy: 503, unasked: 409 };

/** `POST /push`: answered when the input has been inferred. */
export async function push({ source, config, lane }: SlotGateway, request: IncomingMessage): Promise<Reply> {
  if (!isPushed(source)) throw new RequestError(409, `${config.slot} takes no pushed inputs: its source must be "push: {}"`);
  const outcome = await source.push(await readBody(request), request.headers['content-type']);
  const headers: Record<string, string> = outcome === 'busy' ? { 'retry-after': '1' } : {};
  return { status: statuses[outcome], headers, body: { outcome, ...(outcome === 'inferred' ? {} : { error: lane.trouble }) } };
}
