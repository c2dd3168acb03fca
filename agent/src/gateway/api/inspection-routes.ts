import { randomUUID } from 'node:crypto';
import { type Reply, RequestError, type Route, readBody } from '../../http/http.js';
import { parseJson } from '../../http/json-body.js';
import { type Inspection, InspectionRefused, type Inspections } from '../inspections.js';
import type { SlotGateway } from '../slot-gateway.js';
import type { OfSlot } from './of-slot.js';
import { InspectionCommand } from './schemas.js';
import { inspectionView } from '../inspection-view.js';

/** The trigger: a command starts one capture, and its result carries the command's id. */
export function inspectionRoutes(ofSlot: OfSlot): Route[] {
  return [
    ofSlot('POST', '/inspections', (slot, _params, request) => command(slot, request)),
    ofSlot('GET', '/inspections/:id', (slot, { id }) => ({ body: inspectionView(find(slot, id!)) })),
    ofSlot('POST', '/inspections/:id/acknowledge', (slot, { id }) => {
      const inspections = triggered(slot);
      find(slot, id!);
      orConflict(() => inspections.acknowledge(id!));
      return { body: { state: inspections.handshake.state } };
    }),
  ];
}

async function command(slot: SlotGateway, request: Parameters<Route['handle']>[1]): Promise<Reply> {
  const inspections = triggered(slot);
  if (slot.config.trigger?.api === false)
    throw new RequestError(403, `the trigger of ${slot.config.slot} takes no commands by HTTP ("api: false")`);
  const body = await readBody(request);
  const { id = randomUUID(), wait } = parseJson(body.byteLength > 0 ? body : Buffer.from('{}'), InspectionCommand);
  const begun = orConflict(() => inspections.command(id));
  const inspection = wait ? ((await inspections.end(id)) ?? begun) : begun;
  return { status: statusOf(inspection), body: inspectionView(inspection) };
}

/** An inspection that failed is an answer, not a failure to answer; but nobody shall take it for a result. */
const statusOf = ({ state }: Inspection) => ({ busy: 202, done: 200, error: 504 })[state];

function triggered({ inspections, config }: SlotGateway): Inspections {
  if (inspections) return inspections;
  throw new RequestError(409, `${config.slot} has no trigger: give it one in its configuration, such as "trigger: {}"`);
}

function find(slot: SlotGateway, id: string): Inspection {
  const inspection = triggered(slot).find(id);
  if (inspection) return inspection;
  throw new RequestError(404, `${slot.config.slot} knows no inspection "${id}"; it keeps the last 256`);
}

function orConflict<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof InspectionRefused) throw new RequestError(409, error.message);
    throw error;
  }
}
