import { ClosedStream, type AlarmEvent, type BootId, type SlotName } from '@flotilla/protocol/device';
import type { Log } from './runner-process.js';

export interface Alarm {
  readonly name: string;
  readonly message: string;
  readonly slot?: SlotName | undefined;
  /** The outbox that ended with it. */
  readonly closes?:
    | { readonly stream?: string; readonly next?: number; readonly sent: number; readonly unsent: number }
    | undefined;
}

const sameAgainAfterS = 600;
const maxMessage = 2000;

/** Alarms on their way to the event log: each once in ten minutes, and none lost that came before the outbox was open. */
export class Alarms {
  readonly #boot: BootId;
  readonly #uptime: () => number;
  readonly #log: Log;
  readonly #raised = new Map<string, number>();
  #early: AlarmEvent[] = [];
  #deliver: ((event: AlarmEvent) => void) | undefined;

  constructor(boot: BootId, uptime: () => number, log: Log) {
    this.#boot = boot;
    this.#uptime = uptime;
    this.#log = log;
  }

  raise({ name, message, slot, closes }: Alarm): void {
    const uptime = this.#uptime();
    const key = `${name} ${slot ?? ''} ${closes?.stream ?? ''}`;
    if (uptime - (this.#raised.get(key) ?? -Infinity) < sameAgainAfterS) return;
    this.#raised.set(key, uptime);
    this.#log.warn({ alarm: name, slot }, message);
    const told = { slot, ...(closes && { closes: ClosedStream.parse(closes) }) };
    const event: AlarmEvent = { type: 'alarm', boot: this.#boot, uptime, name, message: message.slice(0, maxMessage), ...told };
    if (this.#deliver) this.#deliver(event);
    else this.#early.push(event);
  }

  deliverTo(deliver: (event: AlarmEvent) => void): void {
    this.#deliver = deliver;
    this.#early.splice(0).forEach(deliver);
  }
}
