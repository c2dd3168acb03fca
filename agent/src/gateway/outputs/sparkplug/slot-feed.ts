import { randomUUID } from 'node:crypto';
import type { Handshake } from '../../../core/inspection.js';
import { InspectionId } from '../../inspection-id.js';
import { InspectionRefused, type Inspections } from '../../inspections.js';
import type { Reading } from '../reading.js';
import type { Cause, SlotPort } from '../slot-port.js';
import type { OfResult } from './edge-node.js';
import {
  acknowledgeMetric,
  commandMetrics,
  counterMetrics,
  inspectionMetrics,
  type MetricValue,
  refusalMetrics,
  resultMetrics,
  statusMetrics,
  triggerMetric,
} from './slot-metrics.js';

type Tell = (metrics: readonly MetricValue[], result?: OfResult) => void;

/** One slot as a Sparkplug device: what it tells, and the two commands that it takes. */
export class SlotFeed {
  #tell: Tell = () => {};
  #told: Reading | undefined;
  #inspections: Inspections | undefined;
  #unfollow: (() => void) | undefined;
  #refusals = 0;
  readonly #unsubscribe: () => void;

  constructor(readonly port: SlotPort) {
    this.#unsubscribe = port.subscribe((reading, cause) => this.#hear(reading, cause));
  }

  /** All that there is at the beginning. What changes from then on goes to `tell`. */
  begin(tell: Tell): MetricValue[] {
    this.#follow();
    this.#tell = tell;
    const { latest, counts } = this.port;
    this.#told = latest;
    return [
      ...resultMetrics(latest, latest.quality === 'good' ? latest.result!.capturedAt : latest.at),
      ...statusMetrics(latest),
      ...inspectionMetrics(this.#inspections?.handshake, Date.now()),
      ...commandMetrics(Date.now()),
      ...refusalMetrics('', this.#refusals, Date.now()),
      ...counterMetrics(counts, Date.now()),
    ];
  }

  /** Each second: what is told of no reading. */
  tick(): void {
    this.#follow();
    this.#tell(counterMetrics(this.port.counts, Date.now()));
  }

  close(): void {
    this.#unsubscribe();
    this.#unfollow?.();
  }

  command(name: string, value: unknown): void {
    this.#follow();
    const refused = this.#try(name, value);
    if (refused === undefined) return;
    this.#refusals += 1;
    this.#tell(refusalMetrics(refused, this.#refusals, Date.now()));
  }

  #hear(reading: Reading, cause: Cause): void {
    this.#follow();
    const { result, quality, reason, at } = reading;
    const isSame = cause === 'result' && quality === this.#told?.quality && reason === this.#told.reason;
    this.#told = reading;
    // A value that has become worse did so now; what is good says when it was seen, however often it is told.
    const time = result && (cause === 'result' || quality === 'good') ? result.capturedAt : at;
    const metrics = resultMetrics(reading, time);
    if (!isSame) metrics.push(...statusMetrics(reading));
    this.#tell(metrics, result && { digest: result.prediction.digest, at: time });
  }

  /** The trigger is another one when the slot's source is configured anew. */
  #follow(): void {
    const { inspections } = this.port;
    if (inspections === this.#inspections) return;
    this.#unfollow?.();
    this.#inspections = inspections;
    this.#unfollow = inspections?.subscribe((handshake) => this.#tellHandshake(handshake));
    this.#tellHandshake(inspections?.handshake);
  }

  #tellHandshake(handshake: Handshake | undefined): void {
    this.#tell(inspectionMetrics(handshake, Date.now()));
  }

  /** Why not, or undefined. */
  #try(name: string, value: unknown): string | undefined {
    if (name !== triggerMetric && name !== acknowledgeMetric)
      return `${name} can not be written; ${triggerMetric} and ${acknowledgeMetric} can`;
    const inspections = this.#inspections;
    if (!inspections) return `${this.port.slot} has no trigger: give it one in its configuration, such as "trigger: {}"`;
    const id = name === triggerMetric && value === '' ? randomUUID() : InspectionId.safeParse(value).data;
    if (id === undefined) return `${name} takes an id of up to 128 letters, digits and . : _ -`;
    try {
      this.#tell([{ name, datatype: 'String', value: id, at: Date.now() }]);
      if (name === triggerMetric) inspections.command(id);
      else inspections.acknowledge(id);
      return undefined;
    } catch (error) {
      if (error instanceof InspectionRefused) return error.message;
      throw error;
    }
  }
}
