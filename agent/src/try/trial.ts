import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { DeploymentId, digestOf, releaseName, type SlotName, type SourceConfig, variantName } from '@flotilla/protocol/device';
import type { Committed } from '../core/slot-state.js';
import { messageOf } from '../errors.js';
import type { StoredRelease } from '../supervisor/artifact-store.js';
import { withFrameSockets } from '../supervisor/frame-sockets.js';
import { GatewayProcess } from '../supervisor/gateway-process.js';
import { bindSocket } from '../supervisor/listening-socket.js';
import type { RunnerProgram } from '../supervisor/runner-process.js';
import { usualDeadlines } from '../supervisor/slot-deadlines.js';
import { SlotRunners } from '../supervisor/slot-runners.js';
import { SlotSockets } from '../supervisor/slot-sockets.js';
import { StartError } from '../supervisor/start-error.js';
import { SlotView } from './follow.js';

export type Programs = { runner: RunnerProgram; gatewayPath: string };
type TrialParts = {
  slot: SlotName;
  release: StoredRelease;
  source: SourceConfig;
  dataDir: string;
  programs: Programs;
  /** In words for the operator. */
  onTrouble: (what: string) => void;
};
type Resources = { runners: SlotRunners; gateway: GatewayProcess; sockets: SlotSockets; closeHttp: () => void };

const megabyte = 2 ** 20;
const mostBytes = { runner: 3000 * megabyte, gateway: 600 * megabyte };
const restartMs = 1000;
const graceMs = 500;
/** Another thread gives little to networks of this size. */
const mostThreads = 4;

/** One slot as a device has it, with its real runner and the real gateway, and nobody above that would change its release. */
export class Trial {
  #closed = false;

  private constructor(
    readonly gateway: SlotView,
    private readonly resources: Resources,
    private readonly committed: Committed,
    private readonly parts: TrialParts,
  ) {}

  /** The gateway waits with what it captured until `serve`. Throws StartError. */
  static async begin(parts: TrialParts): Promise<Trial> {
    const { slot, release, source, dataDir, programs, onTrouble } = parts;
    const unix = withFrameSockets(dataDir, { [slot]: { listen: {} } })[slot]!.listen.unix;
    const http = await bindSocket('the gateway', { host: '127.0.0.1', port: 0 });
    const sockets = await SlotSockets.bind(slot, { unix });
    const gateway = new GatewayProcess({
      path: programs.gatewayPath,
      env: programs.runner.env,
      log: programs.runner.log,
      dataDir,
      device: 'trial',
      http,
      maxRssBytes: mostBytes.gateway,
      onAlarm: (_name, message) => onTrouble(message),
    });
    const runners: SlotRunners = new SlotRunners({
      slot,
      program: programs.runner,
      sockets,
      ...offline(release),
      ...reporting(parts, (run, reason) => void trial.#again(run, reason)),
    });
    gateway.configure([{ slot, socket: unix, source, from: {} }]);
    const resources = { runners, gateway, sockets, closeHttp: http.close };
    const trial: Trial = new Trial(new SlotView(http.port, slot), resources, committedOf(release), parts);
    return trial;
  }

  /** Resolves when the release answers. Throws StartError with what is wrong with it. */
  async serve(signal: AbortSignal): Promise<void> {
    const done = await this.resources.runners.activate(1, this.committed, signal);
    if (done.type === 'activated' || this.#closed) return;
    throw new StartError('unavailable', `${this.committed.release} cannot be served: ${messageOf(done.error)}.`, {
      cause: done.error,
    });
  }

  /** Every process that was begun is gone then. */
  async stop(): Promise<void> {
    this.#closed = true;
    const { runners, gateway, sockets, closeHttp } = this.resources;
    await Promise.all([gateway.stop(), runners.stop(graceMs)]);
    sockets.close();
    closeHttp();
  }

  async #again(run: number, reason: string): Promise<void> {
    if (this.#closed) return;
    this.parts.onTrouble(`the runner ended (${reason}); it is started again`);
    try {
      await this.resources.runners.serve(run + 1, this.committed, { ms: restartMs });
    } catch (error) {
      await this.#again(run + 1, messageOf(error));
    }
  }
}

/** The release is here, on this processor, and no other comes. */
const offline = (release: StoredRelease) => ({
  open: async () => release,
  engineFor: () => ({ providers: ['cpu' as const] }),
  engineCache: () => '',
  plan: () => ({ sequential: false as const }),
  limits: {
    workers: 1,
    intraOpThreads: Math.max(1, Math.min(mostThreads, availableParallelism() - 1)),
    maxComputeMs: 600_000,
    maxRssBytes: mostBytes.runner,
  },
  addresses: [],
  windowS: 60,
  deadlines: usualDeadlines,
});

const reporting = ({ slot, dataDir, onTrouble }: TrialParts, onDied: (run: number, reason: string) => void) => ({
  predictions: { file: join(dataDir, 'predictions', `${slot}.jsonl`), maxBytes: 16 * megabyte, keep: 1 },
  onAlarm: (_name: string, message: string) => onTrouble(message),
  onHeartbeat: () => {},
  onWindow: () => {},
  onDied: (run: number, { reason }: { reason: string }) => onDied(run, reason),
});

const committedOf = ({ manifest }: StoredRelease): Committed => ({
  deployment: DeploymentId.parse(randomUUID()),
  digest: digestOf(manifest),
  release: releaseName(manifest),
  variant: variantName(manifest.variants[0]!),
});
