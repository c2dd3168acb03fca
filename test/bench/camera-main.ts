import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SlotGateway } from '@flotilla/agent/gateway/slot-gateway';
import type { Sink, Source } from '@flotilla/agent/gateway/source';
import { SourceConfig } from '@flotilla/protocol';
import { answerParent } from './child.js';
import { benchSlot, quietLog } from './served-model.js';

export type CameraQuestion = { socket: string; pictures: string[]; perSecond: number; ms: number };
/** `latenciesMs`: from a frame's capture to its result, of each result. */
export type CameraRun = { latenciesMs: number[]; captured: number; inferred: number; dropped: number };

const now = () => performance.timeOrigin + performance.now();

/** The gateway's own lane, with a camera that never waits: what nobody takes in time is lost. */
async function film({ socket, pictures, perSecond, ms }: CameraQuestion): Promise<CameraRun> {
  const frames = await Promise.all(pictures.map((path) => readFile(path)));
  const camera = new SteadyCamera(frames, perSecond);
  const gateway = new SlotGateway({
    config: { slot: benchSlot, socket, source: SourceConfig.parse({ camera: 'made up' }), from: {} },
    folder: '/nowhere',
    log: quietLog(console.error),
    onSource: () => undefined,
    open: () => Promise.resolve(camera),
  });
  const latenciesMs: number[] = [];
  gateway.results.subscribe(({ capturedAt }) => latenciesMs.push(now() - capturedAt));
  await gateway.start();
  await delay(ms);
  await camera.stop();
  const { lane } = gateway;
  // What waits is still inferred: then each frame is one or the other.
  for (let left = 200; left > 0 && lane.counts.captured > lane.counts.inferred + lane.counts.dropped; left--) await delay(10);
  await gateway.stop();
  return { latenciesMs, ...lane.counts };
}

class SteadyCamera implements Source {
  #timer: NodeJS.Timeout | undefined;
  #taken = 0;

  constructor(
    private readonly frames: readonly Buffer[],
    private readonly perSecond: number,
  ) {}

  start(sink: Sink): void {
    const since = performance.now();
    sink.state({ state: 'running' });
    this.#timer = setInterval(() => {
      // A timer that comes late makes up for it: the rate is what is asked for.
      for (; this.#taken < ((performance.now() - since) * this.perSecond) / 1000; this.#taken++) this.#take(sink);
    }, 1);
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return Promise.resolve();
  }

  #take(sink: Sink): void {
    sink.offer({ payload: { kind: 'encoded' }, bytes: this.frames[this.#taken % this.frames.length]!, capturedAt: now() });
  }
}

answerParent<CameraQuestion>(film);
