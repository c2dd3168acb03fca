import type { ISessionContext, UAObject, UAVariable } from 'node-opcua-address-space';
import { DataType, DataValue, StatusCodes, Variant } from 'node-opcua-client';
import type { OpcUaOutput } from '@flotilla/protocol/device';
import type { Cause, SlotPort } from '../slot-port.js';
import type { Reading } from '../reading.js';
import { addVariable, type Address, samplingMs } from './address.js';
import { ClassEvents } from './class-events.js';
import { emptyOf, type Field, fields, isBad, type Moment, statusOf } from './fields.js';
import { addHistory } from './historian.js';
import { History, type Kept } from './history.js';
import { Pace } from '../pace.js';
import { addTriggerMethods } from './trigger-methods.js';
import { Values } from './values.js';

const hourMs = 3_600_000;
const countersMs = 1000;
const counterNames = ['captured', 'inferred', 'dropped', 'lost', 'refused', 'failed', 'unasked', 'retried'] as const;
/** Of those that have one. */
const historyOf: Record<string, (kept: Kept) => string | number> = {
  Class: ({ headline }) => headline.label,
  ClassIndex: ({ headline }) => headline.index,
  Confidence: ({ headline }) => headline.confidence,
  Count: ({ headline }) => headline.count,
};

type Parts = { port: SlotPort; settings: OpcUaOutput; may: (context: ISessionContext) => boolean };

/** The object of one slot. All that it shows of one reading is set in one go, so that nobody sees parts of two. */
export class SlotObject {
  readonly #variables: readonly { field: Field; variable: UAVariable }[];
  readonly #values: Values;
  readonly #events: ClassEvents;
  readonly #history: History;
  readonly #pace = new Pace(samplingMs / 2, () => this.#show());
  readonly #unsubscribe: (() => void)[];

  constructor(
    private readonly address: Address,
    private readonly parts: Parts,
  ) {
    const { port, settings, may } = parts;
    this.#history = new History({ count: settings.historyCount, ageMs: hourMs });
    const object = address.namespace.addObject({
      browseName: port.slot,
      nodeId: `s=${port.slot}`,
      componentOf: address.root,
      eventSourceOf: address.root,
      eventNotifier: 1,
    });
    this.#variables = fields.map((field) => ({
      field,
      variable: addVariable(address, object, `${port.slot}/${field.name}`, field),
    }));
    if (settings.historyCount > 0) this.#addHistories();
    this.#values = new Values(address, object, `${port.slot}/Values`, this.#history);
    this.#addCounters(object);
    this.#events = new ClassEvents(address, object, settings.severities);
    addTriggerMethods(address, object, port, may);
    this.#show();
    this.#unsubscribe = [
      port.subscribe((reading, cause) => this.#take(reading, cause)),
      // Whoever sees "done" must find its result beside it.
      port.followTrigger(() => this.#pace.now()),
    ];
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#pace.stop();
  }

  #take(reading: Reading, cause: Cause): void {
    this.#history.push(reading, cause);
    if (cause === 'result') this.#events.see(reading);
    this.#pace.ask();
  }

  #show(): void {
    const { port } = this.parts;
    const reading = port.latest;
    const moment: Moment = { reading, handshake: port.inspections?.handshake };
    const status = statusOf(reading.quality, reading.result !== undefined);
    const taken = new Date(reading.result?.capturedAt ?? reading.at);
    const made = new Date(reading.at);
    for (const { field, variable } of this.#variables) {
      const isOfResult = field.of === 'result';
      const value = isOfResult && isBad(status) ? emptyOf[field.type] : field.read(moment);
      variable.setValueFromSource(
        { dataType: DataType[field.type], value },
        isOfResult ? StatusCodes[status] : StatusCodes.Good,
        isOfResult ? taken : made,
      );
    }
    this.#values.show(reading, taken);
  }

  #addHistories(): void {
    for (const { field, variable } of this.#variables) {
      const read = historyOf[field.name];
      if (read) addHistory(this.address, variable, { type: field.type, dataType: DataType[field.type] }, this.#history, read);
    }
  }

  /** Asked for when somebody reads: nothing is kept up to date that nobody looks at. */
  #addCounters(object: UAObject): void {
    const { namespace } = this.address;
    const { port } = this.parts;
    const folder = namespace.addObject({
      componentOf: object,
      browseName: 'Counters',
      nodeId: `s=${port.slot}/Counters`,
      typeDefinition: 'FolderType',
    });
    for (const counter of counterNames) {
      const name = counter[0]!.toUpperCase() + counter.slice(1);
      namespace.addVariable({
        componentOf: folder,
        browseName: name,
        nodeId: `s=${port.slot}/Counters/${name}`,
        dataType: DataType.UInt32,
        minimumSamplingInterval: countersMs,
        value: { timestamped_get: () => counterValue(port.counts?.[counter]) },
      });
    }
  }
}

function counterValue(count: number | undefined): DataValue {
  const now = new Date();
  return new DataValue({
    value: new Variant({ dataType: DataType.UInt32, value: (count ?? 0) % 2 ** 32 }),
    statusCode: count === undefined ? StatusCodes.BadNoData : StatusCodes.Good,
    sourceTimestamp: now,
    serverTimestamp: now,
  });
}
