import type { AddressSpace, Namespace, UAObject, UAObjectType, UAVariable } from 'node-opcua-address-space';
import { AccessLevelFlag, DataType } from 'node-opcua-client';
import type { Field, FieldType } from './fields.js';

const namespaceUri = 'urn:flotilla:slots';
/** The newest is set so often at most, and sampled so often at most. */
export const samplingMs = 50;

/** Where this output's nodes stand. */
export type Address = {
  space: AddressSpace;
  namespace: Namespace;
  root: UAObject;
  classChanged: UAObjectType;
};
type Gateway = { device: string; startedAt: number };

export function addressIn(space: AddressSpace, { device, startedAt }: Gateway): Address {
  const namespace = space.registerNamespace(namespaceUri);
  const root = namespace.addObject({
    browseName: 'Flotilla',
    nodeId: 's=Flotilla',
    organizedBy: space.rootFolder.objects,
    notifierOf: space.rootFolder.objects.server,
    eventNotifier: 1,
  });
  const classChanged = namespace.addObjectType({
    browseName: 'ClassChangedEventType',
    nodeId: 's=ClassChangedEventType',
    subtypeOf: 'BaseEventType',
  });
  for (const [name, type] of eventFields)
    namespace.addVariable({
      propertyOf: classChanged,
      typeDefinition: 'PropertyType',
      browseName: name,
      dataType: DataType[type],
      modellingRule: 'Mandatory',
    });
  const address = { space, namespace, root, classChanged };
  const told = (name: string, type: FieldType, description: string, value: string | Date) =>
    addVariable(address, root, name, { name, type, description }).setValueFromSource({ dataType: DataType[type], value });
  told('Device', 'String', 'Name of this device', device);
  told(
    'GatewayStart',
    'DateTime',
    'When the process began that keeps the state of results: sequences begin anew with it',
    new Date(startedAt),
  );
  return address;
}

const eventFields = [
  ['Class', 'String'],
  ['PreviousClass', 'String'],
  ['Confidence', 'Double'],
  ['InspectionId', 'String'],
  ['Release', 'String'],
  ['Quality', 'String'],
  ['Suppressed', 'UInt32'],
] as const satisfies readonly (readonly [string, FieldType])[];

type Described = Pick<Field, 'name' | 'type' | 'description'>;

/** `path` names it for ever. */
export function addVariable(
  { namespace }: Pick<Address, 'namespace'>,
  parent: UAObject,
  path: string,
  { name, type, description }: Described,
  unit = false,
): UAVariable {
  return namespace.addVariable({
    componentOf: parent,
    browseName: name,
    nodeId: `s=${path}`,
    description,
    dataType: DataType[type],
    ...(unit ? { typeDefinition: 'AnalogUnitType' } : {}),
    minimumSamplingInterval: samplingMs,
    accessLevel: AccessLevelFlag.CurrentRead,
    userAccessLevel: AccessLevelFlag.CurrentRead,
  });
}
