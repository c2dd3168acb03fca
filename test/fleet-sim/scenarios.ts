import { setTimeout as delay } from 'node:timers/promises';
import type { Scenario } from './options.js';
import { seeded } from './random.js';
import type { Relay } from './relay.js';
import type { FleetOptions } from './simulated-fleet.js';

/** How devices come, what is between them and the broker, and what befalls them meanwhile. */
export interface Weather {
  readonly fleet: FleetOptions;
  /** All at once instead of one after another. */
  readonly herd: boolean;
  /** Null: nothing is between. */
  readonly befall: ((relay: Relay, seconds: number, signal: AbortSignal) => Promise<void>) | null;
}

const calm: Weather = { fleet: {}, herd: false, befall: null };
/** Devices that lose their connection each second. */
const churnShare = 0.02;
const slowLine = { delayMs: 300, bytesPerS: 4000 };
const hour = 3_600_000;

export function weatherOf(scenario: Scenario, seed: number): Weather {
  const random = seeded(seed);
  switch (scenario) {
    case 'steady':
      return calm;
    case 'herd':
      return { ...calm, herd: true };
    case 'clock-skew':
      // Up to a day off, and up to a thousandth too fast or slow.
      return {
        ...calm,
        fleet: { clockOf: () => ({ aheadMs: (2 * random() - 1) * 24 * hour, rate: 1 + (random() - 0.5) / 500 }) },
      };
    case 'slow-links':
      return { ...calm, befall: async (relay) => relay.slow(slowLine) };
    case 'churn':
      return { ...calm, befall: churn(random) };
    case 'outage':
      return { ...calm, befall: outage };
  }
}

const churn = (random: () => number) => async (relay: Relay, seconds: number, signal: AbortSignal) => {
  for (let second = 0; second < seconds && !signal.aborted; second++) {
    relay.cut(churnShare, random);
    await delay(1000, undefined, { signal }).catch(() => undefined);
  }
};

/** In the middle third nobody reaches the broker; then all come back. */
async function outage(relay: Relay, seconds: number, signal: AbortSignal): Promise<void> {
  await delay((1000 * seconds) / 3, undefined, { signal }).catch(() => undefined);
  relay.setDown(true);
  await delay((1000 * seconds) / 3, undefined, { signal }).catch(() => undefined);
  relay.setDown(false);
}
