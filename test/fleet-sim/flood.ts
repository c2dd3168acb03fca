import type { SimulatedDevice } from './simulated-device.js';
import type { SimulatedFleet } from './simulated-fleet.js';

export interface FloodReport {
  /** Acknowledged so far. */
  readonly windows: number;
  readonly vitals: number;
  readonly points: number;
  /** From sending to acknowledgement, milliseconds, of each upload since the report before. */
  readonly latenciesMs: readonly number[];
}

/** Windows and vitals as one upload of a real agent has them; the next upload of a device follows the acknowledgement of its last. */
export class Flood {
  readonly #fleet: SimulatedFleet;
  readonly #upload: { windows: number; windowS: number };
  #stopped = false;
  #windows = 0;
  #vitals = 0;
  #points = 0;
  #latenciesMs: number[] = [];

  constructor(fleet: SimulatedFleet, upload: { windows: number; windowS: number }) {
    this.#fleet = fleet;
    this.#upload = upload;
  }

  start(): void {
    for (const device of this.#fleet.devices) this.#follow(device);
  }

  stop(): void {
    this.#stopped = true;
    for (const device of this.#fleet.devices) device.onAcknowledged(() => {});
  }

  report(): FloodReport {
    const latenciesMs = this.#latenciesMs;
    this.#latenciesMs = [];
    return { windows: this.#windows, vitals: this.#vitals, points: this.#points, latenciesMs };
  }

  #follow(device: SimulatedDevice): void {
    const { ledger, outbox, uplink, recorder } = device;
    recorder.stop();
    let sentAt = 0;
    let before = { windows: 0, vitals: 0 };
    const send = () => {
      sentAt = performance.now();
      before = { windows: ledger.windows.length, vitals: ledger.vitals.length };
      recorder.record(this.#upload.windows, this.#upload.windowS);
      uplink.uploadNow();
    };
    device.onAcknowledged(() => {
      if (outbox.state.records > 0) return;
      this.#latenciesMs.push(performance.now() - sentAt);
      const windows = ledger.windows.length - before.windows;
      const vitals = ledger.vitals.length - before.vitals;
      this.#windows += windows;
      this.#vitals += vitals;
      this.#points += windows * pointsOfWindow + vitals * pointsOfVitals;
      if (!this.#stopped) send();
    });
    send();
  }
}

/** Values that can be asked for; a sketch, a histogram or a table of classes counts one. */
const pointsOfWindow = [
  'ok',
  'errors',
  'sheds',
  'computeCpuUs',
  'queue',
  'compute',
  'total',
  'classes',
  'otherClasses',
  'scores',
].concat(['queueDepthMax', 'rssBytes', 'temperatureMaxC', 'throttledMs', 'energyJ']).length;
const pointsOfVitals = [
  'cpu',
  'memoryUsedBytes',
  'memoryTotalBytes',
  'supervisorRssBytes',
  'runnerRssBytes',
  'temperatureC',
].concat(['throttled', 'powerW', 'outboxRecords', 'outboxBytes', 'outboxDropped']).length;
