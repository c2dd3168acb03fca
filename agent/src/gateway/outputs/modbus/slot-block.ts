import type { ModbusOutput } from '@flotilla/protocol/device';
import { coilBits, inputBits } from '../../../modbus-map.js';
import { InspectionRefused } from '../../inspections.js';
import type { SlotPort } from '../slot-port.js';
import { BlockEncoder, type Shown } from './registers.js';

/** What is answered in place of what was asked for (MODBUS Application Protocol V1.1b3, 7). */
export class Exception extends Error {
  override readonly name = 'Exception';
  constructor(readonly code: 1 | 2 | 3 | 4 | 6 | 11) {
    super(`exception ${code}`);
  }
}

/** One slot as a client sees it: its registers and bits, and its trigger. */
export class SlotBlock {
  readonly #encoder: BlockEncoder;
  /** As it was last written. */
  #coil = false;
  #commands = 0;

  constructor(
    readonly port: SlotPort,
    readonly settings: ModbusOutput,
    private readonly gatewayStart: number,
  ) {
    this.#encoder = new BlockEncoder(settings);
  }

  /** Addresses of its registers: from, and the first one after. */
  get registers(): [number, number] {
    return [this.settings.base, this.settings.base + this.#encoder.size];
  }

  get inputs(): [number, number] {
    return [this.settings.base, this.settings.base + inputBits.length];
  }

  get coils(): [number, number] {
    return [this.settings.base, this.settings.base + (this.settings.trigger ? coilBits.length : 0)];
  }

  /** All registers of this moment. */
  read(): Buffer {
    return this.#encoder.encode(this.#shown());
  }

  readInputs(): boolean[] {
    const { reading, handshake, inspectionNumber } = this.#shown();
    const state = handshake?.state;
    return [
      reading.quality === 'good',
      reading.status.state === 'serving',
      state === 'ready',
      state === 'busy',
      state === 'done',
      state === 'error',
      inspectionNumber > 0 && inspectionNumber === handshake?.sequence,
    ];
  }

  readCoils(): boolean[] {
    return [this.#coil];
  }

  /** A write that comes twice does what it does once: it is the edge that counts. Throws Exception. */
  writeCoil(on: boolean): void {
    if (!this.port.inspections) throw new Exception(4);
    if (on === this.#coil) return;
    if (on) this.#command();
    else this.#acknowledge();
    this.#coil = on;
  }

  #command(): void {
    try {
      this.port.inspections?.command(`modbus-${this.gatewayStart}-${++this.#commands}`);
    } catch (error) {
      throw error instanceof InspectionRefused ? new Exception(6) : error;
    }
  }

  /** There is nothing to acknowledge where a result waits for no one, or where time was quicker. */
  #acknowledge(): void {
    const inspections = this.port.inspections;
    const handshake = inspections?.handshake;
    if (!inspections || !handshake || handshake.state === 'ready') return;
    try {
      inspections.acknowledge(handshake.id);
    } catch (error) {
      if (!(error instanceof InspectionRefused)) throw error;
    }
  }

  #shown(): Shown {
    const { latest: reading, inspections, counts } = this.port;
    const id = reading.result?.prediction.inspection;
    const now = Date.now();
    return {
      reading,
      counts,
      handshake: inspections?.handshake,
      inspectionNumber: (id !== undefined && inspections?.find(id)?.sequence) || 0,
      now,
      gatewayStart: this.gatewayStart,
      heartbeat: Math.floor(performance.now() / 1000),
    };
  }
}
