import { randomUUID } from 'node:crypto';
import type { ISessionContext, MethodFunctorA, UAObject } from 'node-opcua-address-space';
import { DataType, StatusCodes, type Variant, type VariantLike } from 'node-opcua-client';
import { InspectionId } from '../../inspection-id.js';
import { type Inspection, InspectionRefused, type Inspections } from '../../inspections.js';
import { headlineOf } from '../reading.js';
import type { SlotPort } from '../slot-port.js';
import type { Address } from './address.js';
import type { FieldType } from './fields.js';

type Answer = { name: string; type: FieldType; description: string; read: (inspection: Inspection) => string | number | Date };
const headline = ({ result }: Inspection) => result && headlineOf(result.prediction);
const answers: readonly Answer[] = [
  { name: 'InspectionId', type: 'String', description: 'The id of this inspection', read: ({ id }) => id },
  { name: 'Sequence', type: 'UInt32', description: 'Counts commands', read: ({ sequence }) => sequence },
  { name: 'State', type: 'String', description: 'done, or error: then there is no result', read: ({ state }) => state },
  { name: 'Class', type: 'String', description: '', read: (it) => headline(it)?.label ?? '' },
  { name: 'ClassIndex', type: 'Int32', description: '-1 where it has none', read: (it) => headline(it)?.index ?? -1 },
  { name: 'Confidence', type: 'Double', description: '', read: (it) => headline(it)?.confidence ?? 0 },
  { name: 'CapturedAt', type: 'DateTime', description: '', read: ({ capturedAt }) => new Date(capturedAt ?? 0) },
  { name: 'Release', type: 'String', description: 'That answered', read: ({ result }) => result?.prediction.release ?? '' },
  { name: 'Reason', type: 'String', description: 'Why there is no result', read: ({ reason }) => reason ?? '' },
];

/** What is refused is answered with a status; the sentence is for those that ask for diagnostics. */
class Refused extends Error {
  override readonly name = 'Refused';
  constructor(
    readonly code: 'BadUserAccessDenied' | 'BadInvalidArgument' | 'BadNotSupported' | 'BadInvalidState',
    message: string,
  ) {
    super(message);
  }
}
type May = (context: ISessionContext) => boolean;

/** `Inspect` and `Acknowledge` of a slot. The handshake is the slot's one: over which protocol a command came makes no difference. */
export function addTriggerMethods({ namespace }: Address, object: UAObject, port: SlotPort, may: May): void {
  const name = port.slot;
  const id = { name: 'Id', dataType: DataType.String };
  const allowed = (context: ISessionContext): Inspections => {
    if (!may(context)) throw new Refused('BadUserAccessDenied', 'this user may read only');
    if (!port.inspections) throw new Refused('BadNotSupported', `the slot "${name}" has no trigger`);
    return port.inspections;
  };
  namespace
    .addMethod(object, {
      browseName: 'Inspect',
      nodeId: `s=${name}/Inspect`,
      description: 'Captures and infers for a part, and answers with its own result; twice with the same id captures once',
      inputArguments: [{ ...id, description: 'Your name for the part; empty: one is made' }],
      outputArguments: answers.map(({ name: answer, type, description }) => ({
        name: answer,
        dataType: DataType[type],
        description,
      })),
    })
    .bindMethod(answered(async (given, context) => inspect(allowed(context), idIn(given) || randomUUID())));
  namespace
    .addMethod(object, {
      browseName: 'Acknowledge',
      nodeId: `s=${name}/Acknowledge`,
      description: 'Says that the result was taken: the trigger is ready for the next part',
      inputArguments: [{ ...id, description: 'Of the inspection' }],
      outputArguments: [],
    })
    .bindMethod(answered(async (given, context) => acknowledge(allowed(context), idIn(given))));
}

async function inspect(inspections: Inspections, id: string): Promise<VariantLike[]> {
  inspections.command(id);
  const inspection = await inspections.end(id);
  if (!inspection) throw new Refused('BadInvalidState', `${id} is not known any more`);
  return answers.map(({ type, read }) => ({ dataType: DataType[type], value: read(inspection) }));
}

function acknowledge(inspections: Inspections, id: string): VariantLike[] {
  inspections.acknowledge(id);
  return [];
}

function idIn([given]: Variant[]): string {
  const id = (given?.value as string | null) ?? '';
  if (id !== '' && !InspectionId.safeParse(id).success)
    throw new Refused('BadInvalidArgument', 'an id is up to 128 letters, digits and . : _ -');
  return id;
}

const answered =
  (method: (given: Variant[], context: ISessionContext) => Promise<VariantLike[]>): MethodFunctorA =>
  async (given, context) => {
    try {
      return { statusCode: StatusCodes.Good, outputArguments: await method(given, context) };
    } catch (error) {
      if (error instanceof Refused) return { statusCode: StatusCodes[error.code], statusText: error.message };
      if (error instanceof InspectionRefused) return { statusCode: StatusCodes.BadInvalidState, statusText: error.message };
      throw error;
    }
  };
