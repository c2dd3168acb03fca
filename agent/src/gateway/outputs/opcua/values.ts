import type { UAObject, UAVariable } from 'node-opcua-address-space';
import { DataType, StatusCodes } from 'node-opcua-client';
import type { Headline, Reading } from '../reading.js';
import { addVariable, type Address } from './address.js';
import { headlineIn, isBad, statusOf } from './fields.js';
import { addHistory } from './historian.js';
import type { History } from './history.js';
import { type EngineeringUnits, engineeringUnitsOf } from './units.js';

type Measured = Headline['values'][number];
/** A release has a few; a folder that grows for ever helps nobody. */
const mostValues = 64;

/** The folder of what a release measures: its variables come with the first result that has them, and stay. */
export class Values {
  readonly #folder: UAObject;
  readonly #variables = new Map<string, UAVariable>();

  constructor(
    private readonly address: Address,
    parent: UAObject,
    private readonly path: string,
    private readonly history: History,
  ) {
    this.#folder = address.namespace.addObject({
      componentOf: parent,
      browseName: 'Values',
      nodeId: `s=${path}`,
      typeDefinition: 'FolderType',
    });
  }

  show(reading: Reading, at: Date): void {
    const { values } = headlineIn(reading);
    if (values.length === 0 && this.#variables.size === 0) return;
    const status = statusOf(reading.quality, reading.result !== undefined);
    const shown = new Set<string>();
    for (const measured of values) {
      const variable = this.#variable(measured);
      if (!variable || shown.has(measured.name)) continue;
      shown.add(measured.name);
      variable.setValueFromSource(
        { dataType: DataType.Double, value: isBad(status) ? 0 : measured.value },
        StatusCodes[status],
        at,
      );
    }
    // Another release measures other things.
    for (const [name, variable] of this.#variables)
      if (!shown.has(name))
        variable.setValueFromSource(
          { dataType: DataType.Double, value: 0 },
          StatusCodes[isBad(status) ? status : 'BadNoData'],
          at,
        );
  }

  #variable(measured: Measured): UAVariable | undefined {
    const known = this.#variables.get(measured.name);
    if (known || this.#variables.size >= mostValues) return known;
    const variable = this.#add(measured);
    this.#variables.set(measured.name, variable);
    return variable;
  }

  #add({ name, unit }: Measured): UAVariable {
    const engineeringUnits = engineeringUnitsOf(unit);
    const description = unit === undefined ? name : `${name} in ${unit}`;
    const field = { name, type: 'Double', description } as const;
    const variable = addVariable(this.address, this.#folder, `${this.path}/${name}`, field, engineeringUnits !== undefined);
    if (engineeringUnits)
      this.address.namespace.addVariable({
        propertyOf: variable,
        typeDefinition: 'PropertyType',
        browseName: { name: 'EngineeringUnits', namespaceIndex: 0 },
        dataType: 'EUInformation',
        value: { dataType: DataType.ExtensionObject, value: this.#extension(engineeringUnits) },
      });
    const kind = { type: 'Double', dataType: DataType.Double } as const;
    addHistory(
      this.address,
      variable,
      kind,
      this.history,
      ({ headline }) => headline.values.find((its) => its.name === name)?.value,
    );
    return variable;
  }

  #extension(units: EngineeringUnits) {
    const { space } = this.address;
    return space.constructExtensionObject(space.findDataType('EUInformation')!, units);
  }
}
