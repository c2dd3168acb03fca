import '@flotilla/control-plane/small-heap';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { answerParent } from '../bench/child.js';
import type { Air } from './faulty-air.js';
import { notedStores } from './file-store.js';
import { Flood, type FloodReport } from './flood.js';
import type { FleetIdentity } from './identities.js';
import { LedgerFile } from './ledger-file.js';
import { SimulatedFleet, type FleetCounts, type FleetOptions } from './simulated-fleet.js';

type Options = Omit<FleetOptions, 'clockOf' | 'openStore' | 'ledgerFile'>;
/** Outboxes and what is known of them lie in files, where the next life of these devices finds them. */
type Files = { outboxes: string; ledger: string; oneKey: boolean };
export type MakeOptions = Options & { files?: Files; upForS?: number };
/** What a bench asks of the devices' process. */
export type FleetQuestion =
  | { make: FleetIdentity; options?: MakeOptions }
  | { join: { perS: number; withinMs: number } }
  | { welcomed: number }
  /** Since when (milliseconds since 1970) each device's report of this digest has been acknowledged. */
  | { reported: string; withinMs: number }
  | { flood: 'start'; windows: number; windowS: number }
  | { flood: 'stop' | 'look' }
  /** Each of the devices measures so often at once, or every so often. */
  | { record: number; windowS: number }
  | { recordEvery: number }
  | { air: Air }
  | { jump: number }
  | { drain: number }
  | { look: 'counts' | 'ledger' | 'use' | 'outboxes' | 'air' }
  | { stop: true };
/** `stalledS`: the longest that the devices' one thread was busy with something else since this was last asked. */
export type FleetUse = { rssMb: number; cpuS: number; stalledS: number };
export type OutboxLook = { device: string; stream: string; next: number; dropped: number; records: number; durable: boolean };
export type { FleetCounts, FloodReport };

let fleet: SimulatedFleet | undefined;
let flood: Flood | undefined;
const turns = monitorEventLoopDelay({ resolution: 20 });
turns.enable();

answerParent<FleetQuestion>(async (question) => {
  if ('make' in question) return void (fleet = make(question));
  const all = fleet!;
  if ('join' in question) return all.join(question.join.perS, question.join.withinMs);
  if ('welcomed' in question)
    return all.until(() => all.devices.every(({ isWelcomed }) => isWelcomed), 'all are welcomed', question.welcomed);
  if ('reported' in question) return all.reported(question.reported, question.withinMs);
  if ('flood' in question) return answerFlood(question);
  if ('drain' in question) return all.drain(question.drain);
  if ('look' in question) return look(question.look);
  if ('stop' in question) return all.stop();
  for (const device of all.devices) {
    if ('air' in question) device.air.air = question.air;
    else if ('jump' in question) device.jump(question.jump);
    else if ('recordEvery' in question) device.recorder.every(question.recordEvery);
    else device.recorder.record(question.record, question.windowS);
  }
});

function make({ make: identity, options = {} }: Extract<FleetQuestion, { make: object }>): SimulatedFleet {
  const { files, upForS = 0, ...more } = options;
  const clockOf = () => ({ aheadMs: 0, rate: 1, upForS });
  if (files === undefined) return new SimulatedFleet(identity, { ...more, clockOf });
  const ledgerFile = new LedgerFile(files.ledger);
  const openStore = notedStores(files.outboxes, ledgerFile, files.oneKey);
  return new SimulatedFleet(identity, { ...more, clockOf, ledgerFile, openStore });
}

function answerFlood(question: Extract<FleetQuestion, { flood: string }>): FloodReport | undefined {
  if (question.flood === 'start') {
    flood = new Flood(fleet!, { windows: question.windows, windowS: question.windowS });
    flood.start();
    return undefined;
  }
  if (question.flood === 'stop') flood!.stop();
  return flood!.report();
}

function look(what: Extract<FleetQuestion, { look: string }>['look']): unknown {
  const { devices } = fleet!;
  switch (what) {
    case 'counts':
      return fleet!.counts();
    case 'ledger':
      return fleet!.ledger();
    case 'outboxes':
      return devices.map(({ name, outbox: { state } }): OutboxLook => {
        const { stream, next, dropped, records, durable } = state;
        return { device: name, stream, next, dropped, records, durable };
      });
    case 'air':
      return devices.map(({ air }) => air.counts);
    case 'use': {
      const { user, system } = process.cpuUsage();
      const stalledS = turns.max / 1e9;
      turns.reset();
      return { rssMb: process.memoryUsage.rss() / 2 ** 20, cpuS: (user + system) / 1e6, stalledS } satisfies FleetUse;
    }
  }
}
