import { answerParent } from '../bench/child.js';
import { Flood, type FloodReport } from './flood.js';
import type { FleetIdentity } from './identities.js';
import { SimulatedFleet, type FleetCounts, type FleetOptions } from './simulated-fleet.js';

/** What a bench asks of the devices' process. */
export type FleetQuestion =
  | { make: FleetIdentity; options?: Omit<FleetOptions, 'clockOf' | 'openStore'> }
  | { join: { perS: number; withinMs: number } }
  /** Since when (milliseconds since 1970) each device's report of this digest has been acknowledged. */
  | { reported: string; withinMs: number }
  | { flood: 'start'; windows: number; windowS: number }
  | { flood: 'stop' | 'look' }
  | { drain: number }
  | { look: 'counts' | 'ledger' | 'use' }
  | { stop: true };
export type FleetUse = { rssMb: number; cpuS: number };
export type { FleetCounts, FloodReport };

let fleet: SimulatedFleet | undefined;
let flood: Flood | undefined;

answerParent<FleetQuestion>(async (question) => {
  if ('make' in question) return void (fleet = new SimulatedFleet(question.make, question.options));
  const all = fleet!;
  if ('join' in question) return all.join(question.join.perS, question.join.withinMs);
  if ('reported' in question) return all.reported(question.reported, question.withinMs);
  if ('flood' in question) return answerFlood(question);
  if ('drain' in question) return all.drain(question.drain);
  if ('look' in question) return look(question.look);
  return all.stop();
});

function answerFlood(question: Extract<FleetQuestion, { flood: string }>): FloodReport | undefined {
  if (question.flood === 'start') {
    flood = new Flood(fleet!, { windows: question.windows, windowS: question.windowS });
    flood.start();
    return undefined;
  }
  if (question.flood === 'stop') flood!.stop();
  return flood!.report();
}

function look(what: 'counts' | 'ledger' | 'use'): unknown {
  if (what === 'counts') return fleet!.counts();
  if (what === 'ledger') return fleet!.ledger();
  const { user, system } = process.cpuUsage();
  return { rssMb: process.memoryUsage.rss() / 2 ** 20, cpuS: (user + system) / 1e6 } satisfies FleetUse;
}
