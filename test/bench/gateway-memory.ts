import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetOfOne, inspection } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { publishFolder } from '@flotilla/agent/supervisor/fixtures/shipped-releases';
import { SlotPipeline } from '@flotilla/protocol';
import { z } from 'zod';
import { agentFile } from '../support/agent-files.js';
import { makeClip } from '../support/clips.js';
import type { Figure } from './figure.js';
import { rssMb } from './process-use.js';
import { quantile } from './statistics.js';

const View = z.object({ frames: z.object({ inferred: z.number() }) });
const lookMs = 250;
/** Nothing comes any more. */
const patienceMs = 60_000;

/** What the gateway holds while raw frames of 640×480 (0.9 MB each) go through it, one by one: the last quarter over the first. */
export async function gatewayMemory(log: (line: string) => void, frames: number): Promise<Record<string, Figure>> {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-'));
  const options = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-preset', 'ultrafast'];
  const video = makeClip(folder, { file: 'camera.mp4', size: '640x480', frames: 1500, options });
  const slot = SlotPipeline.parse({ source: { video, pace: 'every', then: 'repeat' } });
  const slots = { [inspection]: { listen: { http: { host: '127.0.0.1', port: 0 } }, ...slot } };
  const limits = { maxComputeMs: 60_000, maxRssBytes: 600e6 };
  const device = await FleetOfOne.make({ runnerPath: agentFile('dist/runner/main.js'), slots, limits, deadlines: {} });
  try {
    device.assign(publishFolder(device.server, agentFile('examples/presence-detector')), { inferences: 1, timeoutS: 60 });
    const held = await heldOver(device, frames);
    const quarter = Math.max(1, Math.floor(held.length / 4));
    const [first, last] = [quantile(held.slice(0, quarter), 0.5), quantile(held.slice(-quarter), 0.5)];
    log(
      `  the gateway holds ${first.toFixed(0)} MB at first, ${last.toFixed(0)} MB after ${frames} raw frames, ${Math.max(...held).toFixed(0)} at most`,
    );
    return { gateway_rss_growth_ratio: { value: last / first, unit: 'ratio', reach: '<= 1.1' } };
  } finally {
    await device.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function heldOver(device: FleetOfOne, frames: number): Promise<number[]> {
  const held: number[] = [];
  let [inferred, since] = [0, performance.now()];
  while (inferred < frames) {
    await delay(lookMs);
    const now = await inferredBy(device);
    if (now > inferred) [inferred, since] = [now, performance.now()];
    if (performance.now() - since > patienceMs) throw new Error(`no frame was inferred for ${patienceMs / 1000} s`);
    if (inferred > 0) held.push(await rssMb(device.gateway!.pid!));
  }
  return held;
}

async function inferredBy({ gatewayUrl }: FleetOfOne): Promise<number> {
  const response = await fetch(`${gatewayUrl}/v1/slots/${inspection}`).catch(() => undefined);
  return response?.ok ? View.parse(await response.json()).frames.inferred : 0;
}
