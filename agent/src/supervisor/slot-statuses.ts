import type { SlotName } from '@flotilla/protocol/device';
import type { SlotState } from '../core/slot-state.js';
import type { SlotStatus } from '../gateway-protocol.js';

type Counts = { swaps: number; rollBacks: number; update: string };

/** What each slot serves, told in the gateway's words: a swap, a way back and a crash that goes on are different things. */
export class SlotStatuses {
  readonly #counts = new Map<SlotName, Counts>();
  readonly #told = new Map<SlotName, string>();

  constructor(private readonly tell: (status: SlotStatus) => void) {}

  take(slot: SlotName, state: SlotState): void {
    const status: SlotStatus = { slot, ...served(state), ...this.#count(slot, state.update.state), drift: 'unknown' };
    const text = JSON.stringify(status);
    if (this.#told.get(slot) === text) return;
    this.#told.set(slot, text);
    this.tell(status);
  }

  #count(slot: SlotName, update: string): Counts {
    const before = this.#counts.get(slot);
    const counts = { swaps: before?.swaps ?? 0, rollBacks: before?.rollBacks ?? 0, update };
    // The first state is what was there at the start.
    if (before && before.update !== update) {
      if (update === 'probation') counts.swaps += 1;
      if (isWayBack(update) && !isWayBack(before.update)) counts.rollBacks += 1;
    }
    this.#counts.set(slot, counts);
    return counts;
  }
}

const isWayBack = (update: string) => update === 'rolling-back' || update === 'rolled-back';

/** On probation the candidate is what answers. */
function served({ committed, serving, update }: SlotState): Pick<SlotStatus, 'state' | 'release' | 'digest' | 'deployment'> {
  const release = update.state === 'probation' ? update.target : committed;
  if (!release) return { state: 'empty' };
  const { digest, deployment } = release;
  return { state: serving.safe ? 'safe-mode' : 'serving', release: release.release, digest, deployment };
}
