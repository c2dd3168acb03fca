import { setTimeout as delay } from 'node:timers/promises';
import type { Case } from '../fault-suite.js';
import { judged } from './case.js';
import { TelemetryRig, type Part, type RigOptions } from './rig.js';

const loadMs = 1500;
const goneMs = 1000;
const flaps = 4;
const flapEveryMs = 5000;

/** In the order in which they go: the control plane takes what is below it along. They come back with the agents last, who need somebody to join. */
const parts: readonly Part[] = ['PostgreSQL', 'broker', 'control plane', 'agents'];
const pairs = parts.flatMap((one, i) => parts.slice(i + 1).map((other) => [one, other] as const));

/** Each alone, each two at the same moment, and the broker over and over; all in one fleet, as a bad week would have it. */
const killings: readonly { name: string; strike: (rig: TelemetryRig) => Promise<void> }[] = [
  ...[...parts.map((part) => [part]), ...pairs].map((victims) => ({
    name: `${victims.join(' and ')} killed`,
    strike: (rig: TelemetryRig) => killed(rig, victims),
  })),
  { name: `broker flapping every ${flapEveryMs / 1000} s`, strike: flapping },
];

export async function killCases(usual: RigOptions, wanted: (name: string) => boolean, tell: (made: Case) => void): Promise<void> {
  const chosen = killings.filter(({ name }) => wanted(name));
  if (chosen.length === 0) return;
  const rig = await TelemetryRig.start(usual);
  try {
    for (const { name, strike } of chosen) {
      const from = performance.now();
      await rig.load(loadMs);
      await strike(rig);
      await rig.load(loadMs);
      tell(judged(name, { verdict: await rig.settle() }, from));
    }
  } catch (error) {
    tell({ name: 'kills', ok: false, detail: (error as Error).message });
  } finally {
    await rig.end();
  }
}

async function killed(rig: TelemetryRig, victims: readonly Part[]): Promise<void> {
  for (const part of victims) await rig.kill(part);
  await delay(goneMs);
  for (const part of victims) await rig.mend(part);
}

async function flapping(rig: TelemetryRig): Promise<void> {
  for (let flap = 0; flap < flaps; flap++) {
    await rig.kill('broker');
    await rig.mend('broker');
    await rig.load(flapEveryMs);
  }
}
