import type { UAObject } from 'node-opcua-address-space';
import { DataType, Variant } from 'node-opcua-client';
import type { Reading } from '../reading.js';
import type { Address } from './address.js';

/** Of a class that is not named in the settings. */
const usual = { good: 300, worse: 500 };
/** More of them in a second are counted, and told with the next one: an event costs as much as a hundred values. */
const mostASecond = 50;

/** Tells of each change of the class: of what the slot's newest result shows, not of its quality. */
export class ClassEvents {
  #class = '';
  #suppressed = 0;
  #second = 0;
  #inSecond = 0;

  constructor(
    private readonly address: Address,
    private readonly object: UAObject,
    private readonly severities: Readonly<Record<string, number>>,
  ) {}

  see(reading: Reading): void {
    const label = reading.result?.headline.label ?? '';
    if (label === this.#class) return;
    const previous = this.#class;
    this.#class = label;
    if (this.#isTooMany(reading.at)) this.#suppressed += 1;
    else this.#raise(reading, previous);
  }

  #isTooMany(at: number): boolean {
    const second = Math.floor(at / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    return ++this.#inSecond > mostASecond;
  }

  #raise({ slot, quality, result, status }: Reading, previous: string): void {
    const { label, confidence } = result!.headline;
    const severity = this.severities[label] ?? (quality === 'good' ? usual.good : usual.worse);
    const text = (value: string) => new Variant({ dataType: DataType.String, value });
    this.object.raiseEvent(this.address.classChanged, {
      sourceName: text(slot),
      time: { dataType: DataType.DateTime, value: new Date(result!.capturedAt) },
      message: {
        dataType: DataType.LocalizedText,
        value: { text: `${slot}: ${previous || 'nothing'} → ${label || 'nothing'} (${confidence.toFixed(2)})` },
      },
      severity: { dataType: DataType.UInt16, value: severity },
      class: text(label),
      previousClass: text(previous),
      confidence: { dataType: DataType.Double, value: confidence },
      inspectionId: text(result!.prediction.inspection ?? ''),
      release: text(status.release ?? result!.prediction.release),
      quality: text(quality),
      suppressed: { dataType: DataType.UInt32, value: this.#suppressed },
    });
    this.#suppressed = 0;
  }
}
