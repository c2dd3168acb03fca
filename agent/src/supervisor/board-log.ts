import { boardBetween, type BoardFeeling, type BoardSpan, feelingBetween, type Stretch } from '../core/board.js';
import { sensed, type Sensors } from './sensors.js';

/** Readings that are remembered: of more than the longest window, at the interval that goes with it. */
const remembered = 1024;
const leastS = 0.5;
const mostS = 10;
/** Sooner after a reading another says nothing new. */
const freshS = 0.1;

/** Reads the board's sensors ten times a window, so that a window of any slot, however it was cut, knows what it was like. */
export class BoardLog {
  readonly #stretches: Stretch[] = [];
  #last: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sensors: Sensors,
    /** Seconds; never goes back. */
    private readonly uptime: () => number,
  ) {
    sensed(sensors);
    this.#last = uptime();
  }

  /** Costs a few small files in /sys each time. */
  readEvery(windowS: number): void {
    this.stop();
    if (Object.keys(this.sensors).length === 0) return;
    this.#timer = setInterval(() => this.read(), 1000 * Math.min(mostS, Math.max(leastS, windowS / 10)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  read(): void {
    const [from, to] = [this.#last, this.uptime()];
    if (to - from < freshS) return;
    this.#stretches.push({ ...sensed(this.sensors), from, to });
    this.#last = to;
    if (this.#stretches.length > remembered) this.#stretches.shift();
  }

  /** What the board went through; it is read once more, so that the shortest window has a reading of its own. */
  between(start: number, end: number): BoardSpan {
    this.read();
    return boardBetween(this.#stretches, start, end);
  }

  /** The same for vitals. */
  felt(start: number, end: number): BoardFeeling {
    this.read();
    return feelingBetween(this.#stretches, start, end);
  }
}
