import type { Uplink } from '@flotilla/agent/supervisor/uplink';
import type { DownKind } from '@flotilla/protocol';

type Link = ConstructorParameters<typeof Uplink>[0]['link'];
/** Shares of messages, and how long the late ones take: those behind them overtake. */
export interface Air {
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
  readonly lateMs: number;
}
export const clearAir: Air = { lost: 0, doubled: 0, late: 0, lateMs: 0 };

/**
 * What a broker that fails over, or a bridge, may do to messages, and TCP would hide: batches and acknowledgements are lost
 * though they were taken, come twice, and overtake each other.
 */
export class FaultyAir {
  air = clearAir;
  readonly #random: () => number;
  readonly counts = { lost: 0, doubled: 0, late: 0 };

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Births and heartbeats do not go through it. */
  over(link: Link): Link {
    const publish: Link['publish'] = (kind, payload) =>
      new Promise((resolve, reject) => {
        const send = (isFirst: boolean) => {
          const sent = link.publish(kind, payload);
          // The second one's fate is nobody's business.
          if (isFirst) sent.then(resolve, reject);
          else sent.catch(() => undefined);
        };
        if (!this.#carry(send)) resolve();
      });
    return Object.defineProperty({ publish, room: 0 }, 'room', { get: () => link.room });
  }

  down(kind: DownKind, hear: () => void): void {
    if (kind === 'ack') this.#carry(hear);
    else hear();
  }

  /** False: it is lost. */
  #carry(go: (isFirst: boolean) => void): boolean {
    const { lost, doubled, late, lateMs } = this.air;
    if (this.#random() < lost) return (this.counts.lost++, false);
    if (this.#random() < late) {
      this.counts.late++;
      setTimeout(() => go(true), lateMs * this.#random());
    } else go(true);
    if (this.#random() < doubled) {
      this.counts.doubled++;
      setTimeout(() => go(false), lateMs * this.#random());
    }
    return true;
  }
}
