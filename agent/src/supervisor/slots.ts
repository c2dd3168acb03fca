import {
  type DesiredSlot,
  type DesiredState,
  type Digest,
  type ReportedSlot,
  SlotName,
  type SlotPipeline,
  variantName,
  weightsOf,
} from '@flotilla/protocol/device';
import { join } from 'node:path';
import { asTold, type Committed, type Report, type SlotState, type Target } from '../core/slot-state.js';
import { forecast, planSwap, type SwapMode, type SwapPlan } from '../core/swap-plan.js';
import type { ThreadShares } from '../core/thread-budget.js';
import type { Capability } from '../core/variant.js';
import type { Exposure } from '../exposure.js';
import type { SlotAddress } from '../runner-protocol.js';
import { staleAfterMs } from '../stale.js';
import { ArtifactStore, type StoredRelease } from './artifact-store.js';
import { CredentialFiles } from './credential-files.js';
import type { Downloads } from './downloads.js';
import { messageOf } from '../errors.js';
import { EngineCache } from './engine-cache.js';
import { DeviceEngines } from './engines.js';
import { type HeadStart, journalFolder } from './head-start.js';
import { Journal } from './journal.js';
import { availableBytes } from './memory.js';
import { ReleaseFetch } from './release-fetch.js';
import type { RunnerProgram } from './runner-process.js';
import type { Limits } from './runner-orders.js';
import { slotHandlers } from './slot-handlers.js';
import { type RunnersOptions, SlotRunners, type WindowMessage } from './slot-runners.js';
import { type Deadlines, usualDeadlines } from './slot-deadlines.js';
import { Slot } from './slot.js';
import { VariantChoice } from './variant-choice.js';

/** The composition root adds what belongs to the outbox: type, boot, uptime. */
export type SlotReport = Omit<Report, 'type'> & { slot: SlotName };
export type SlotsOptions = {
  dataDir: string;
  slots: Readonly<Record<string, Pick<SlotPipeline, 'source' | 'trigger'> & { expose?: Exposure | undefined }>>;
  headStart: HeadStart;
  limits: Limits;
  /** By slot; one worker with one thread where it is not said. */
  threads?: ThreadShares<string>;
  capability: Capability;
  hardwareClass: string;
  downloads: Downloads;
  /** Bytes that stored releases may take, the pinned ones included. */
  storeBytes: number;
  windowS: number;
  predictions: { maxBytes: number; keep: number };
  program: RunnerProgram;
  /** Those besides the one that each runner has built in. */
  engines?: DeviceEngines;
  /** `budgetBytes`: what all slots together may hold, swaps included. */
  swap?: { mode?: SwapMode; budgetBytes?: number; availableBytes?: () => number };
  onEvent: (report: SlotReport) => void;
  onWindow: (window: WindowMessage) => void;
  onAlarm: (name: string, message: string, slot?: SlotName) => void;
  /** At the start, and each change. */
  onState?: (slot: SlotName, state: SlotState) => void;
  random?: () => number;
  /** Seconds of a clock that never goes back. */
  now?: () => number;
  /** Milliseconds since 1970, as far as this device can know them. */
  clock?: () => number;
  deadlines?: Partial<Deadlines>;
};
/** The whole store is read only when the slots are up. */
const checkAfterMs = 10_000;
/** How soon a renewed certificate or token is noticed. */
const lookAtCredentialsMs = 60_000;
type Built = { slot: Slot; runners: SlotRunners; credentials: CredentialFiles | undefined };

/** All slots of this device: brings what the desired state asks to each, and says what is. */
export class Slots {
  readonly #options: SlotsOptions;
  readonly #built = new Map<SlotName, Built>();
  readonly #unknown = new Map<SlotName, DesiredSlot>();
  readonly #store: ArtifactStore;
  #check: NodeJS.Timeout | undefined;
  #credentials: NodeJS.Timeout | undefined;
  readonly #releases: ReleaseFetch;
  readonly #engines: DeviceEngines;
  readonly #engineCache: EngineCache;

  constructor(options: SlotsOptions) {
    this.#options = options;
    const folder = join(options.dataDir, 'store');
    this.#store = new ArtifactStore(folder);
    this.#releases = new ReleaseFetch({
      store: this.#store,
      downloads: options.downloads,
      folder,
      budgetBytes: options.storeBytes,
      pinned: () => this.#pinned(),
    });
    this.#engines = options.engines ?? new DeviceEngines([], options.capability.providers);
    this.#engineCache = new EngineCache(join(options.dataDir, 'engine-cache'), () => this.#pinned());
  }

  /** The last known good of each slot serves within a second or two; no network is needed. */
  async start(): Promise<void> {
    await this.#store.open();
    const choice = new VariantChoice(join(this.#options.dataDir, 'variant-choices'), this.#options.hardwareClass);
    const names = Object.keys(this.#options.slots).map((name) => SlotName.parse(name));
    const ready = names.map((name) => this.#build(name, choice));
    this.#options.headStart.endRunners();
    // All are known before the first begins: what one slot pins, another must not clear away.
    for (const begin of ready) begin();
    this.#check = setTimeout(() => void this.#verify(), checkAfterMs).unref();
    this.#credentials = setInterval(() => this.refreshCredentials(), lookAtCredentialsMs).unref();
  }

  apply(desired: Pick<DesiredState, 'slots' | 'config'>): void {
    const named = new Map(desired.slots.map((slot) => [slot.slot, slot]));
    for (const [name, { slot, runners }] of this.#built) {
      const wanted = named.get(name);
      const slow = wanted?.slow && { deployment: wanted.deployment, limits: wanted.slow };
      runners.configure({ windowS: desired.config.windowS, slow });
      const blocked = desired.config.blocked?.filter((each) => each.slot === name) ?? [];
      slot.dispatch({
        type: 'desired',
        target: wanted && targetOf(wanted),
        blocked: blocked.map(({ digest, reason }) => ({ digest, reason })),
      });
      named.delete(name);
    }
    this.#reject(named);
  }

  reported(): ReportedSlot[] {
    const known = [...this.#built].map(([name, { slot, runners }]) => reportedSlot(name, slot.state, runners.serving?.digest));
    const unknown = [...this.#unknown].map(([slot, { deployment }]) => ({ slot, deployment, state: 'rejected' as const }));
    return [...known, ...unknown];
  }

  /** How many of them serve. */
  get serving(): number {
    return [...this.#built.values()].filter(({ runners }) => runners.serving).length;
  }

  /** Resident bytes of the runners that serve; undefined when none does. */
  runnerRssBytes(): number | undefined {
    const serving = [...this.#built.values()].flatMap(({ runners }) => runners.serving ?? []);
    return serving.length > 0 ? serving.reduce((sum, { rssBytes }) => sum + rssBytes, 0) : undefined;
  }

  /** Certificates are renewed while their slot serves. */
  refreshCredentials(): void {
    for (const { runners, credentials } of this.#built.values()) if (credentials?.refresh()) runners.secure();
  }

  /** Runners answer what came and send their last windows; what was under way goes on at the next start. */
  async stop(): Promise<void> {
    const built = [...this.#built.values()];
    clearTimeout(this.#check);
    clearInterval(this.#credentials);
    for (const { slot } of built) slot.close();
    await Promise.all(built.map(({ runners }) => runners.stop()));
    this.#options.headStart.close();
  }

  #build(name: SlotName, choice: VariantChoice): () => void {
    const { options, releases } = { options: this.#options, releases: this.#releases };
    const {
      program,
      onAlarm,
      onEvent,
      capability,
      random = Math.random,
      now = () => performance.now() / 1000,
      clock = Date.now,
    } = options;
    const { journal, state, bootCount, damage } = Journal.open(journalFolder(options.dataDir), name);
    const slot = new Slot({
      slot: name,
      state,
      journal,
      log: program.log,
      onJournalFailure: (m) => onAlarm('journal-unwritable', m, name),
      onState: (next) => options.onState?.(name, next),
    });
    const expose = options.slots[name]?.expose;
    const credentials = expose && new CredentialFiles({ slot: name }, expose, program.log);
    const runners = new SlotRunners({
      ...this.#runnersOptions(name, choice),
      credentials,
      sockets: options.headStart.sockets(name),
      begun: state.committed && options.headStart.takeRunner(name),
      onHeartbeat: (heartbeat) => slot.dispatch({ ...heartbeat, at: now() }),
      onDied: (run, death) => slot.dispatch({ type: 'died', run, at: now(), death }),
    });
    const dispatch = slot.dispatch.bind(slot);
    const report = (r: Report) => onEvent(slotReport(name, r));
    const alarm = (alarmName: string, message: string) => onAlarm(alarmName, message, name);
    const handlers = slotHandlers({
      releases,
      choice,
      runners,
      journal,
      capability,
      dispatch,
      report,
      alarm,
      random,
      now,
      clock,
    });
    this.#built.set(name, { slot, runners, credentials });
    return () => {
      if (damage !== undefined) alarm('journal-damaged', damage);
      options.onState?.(name, slot.state);
      slot.start(handlers, bootCount);
    };
  }

  #pinned(): ReadonlySet<Digest> {
    return new Set([...this.#built.values()].flatMap(({ slot }) => digestsOf(slot.state)));
  }

  #planSwap(
    slot: SlotName,
    choice: VariantChoice,
    { manifest }: StoredRelease,
    candidate: Committed,
    incumbent?: number,
  ): SwapPlan {
    const { swap = {}, limits, threads } = this.#options;
    const { mode = 'auto', budgetBytes = Infinity, availableBytes: available = availableBytes } = swap;
    const { digest, variant: file } = candidate;
    const variant = manifest.variants.find((its) => variantName(its) === file);
    const memoryMb = variant?.memoryMb ?? manifest.requires.memoryMb;
    const need = {
      peak: choice.peakBytes(digest, file),
      declared: memoryMb === undefined ? undefined : memoryMb * 2 ** 20,
      weights: weightsOf(manifest, variant),
      workers: threads?.[slot]?.workers ?? 1,
    };
    const others = [...this.#built].reduce(
      (sum, [name, { runners }]) => (name === slot ? sum : sum + (runners.serving?.rssBytes ?? 0)),
      0,
    );
    return planSwap(mode, incumbent, forecast(need), {
      available: available() - (limits.minFreeBytes ?? 0),
      budget: budgetBytes - others,
    });
  }

  #runnersOptions(slot: SlotName, choice: VariantChoice): Omit<RunnersOptions, 'sockets' | 'begun' | 'onHeartbeat' | 'onDied'> {
    const { dataDir, program, limits, threads, windowS, predictions, slots, onWindow, onAlarm, deadlines } = this.#options;
    return {
      slot,
      program,
      limits: { ...limits, ...(threads?.[slot] ?? { workers: 1, intraOpThreads: 1 }) },
      windowS,
      onWindow,
      onAlarm: (name, message) => onAlarm(name, message, slot),
      staleAfterMs: staleAfterMs(slots[slot] ?? {}),
      addresses: this.#addresses(),
      predictions: { file: join(dataDir, 'predictions', `${slot}.jsonl`), ...predictions },
      deadlines: { ...usualDeadlines, ...deadlines },
      open: async (digest, variant) => ({
        ...(await this.#releases.open(digest, variant)),
        batching: choice.batching(digest, variant),
      }),
      engineFor: ({ manifest }, file) =>
        this.#engines.for(manifest.variants.find((its) => variantName(its) === file) ?? { providers: ['cpu'] }),
      engineCache: (digest) => this.#engineCache.for(digest),
      plan: (release, candidate, incumbent) => this.#planSwap(slot, choice, release, candidate, incumbent),
    };
  }

  #addresses(): SlotAddress[] {
    const { slots, headStart } = this.#options;
    return Object.entries(slots).flatMap(([name, { expose }]) => {
      const slot = SlotName.parse(name);
      const http = headStart.sockets(slot)?.address('http');
      return http ? [{ slot, scheme: expose ? 'https' : 'http', ...http }] : [];
    });
  }

  /** A slot that this device does not have: said once per deployment. */
  #reject(wanted: ReadonlyMap<SlotName, DesiredSlot>): void {
    for (const name of this.#unknown.keys()) if (!wanted.has(name)) this.#unknown.delete(name);
    const known = [...this.#built.keys()].join(', ') || 'none';
    for (const [slot, desired] of wanted) {
      const { deployment, manifestDigest: digest } = desired;
      if (this.#unknown.get(slot)?.deployment === deployment) continue;
      this.#unknown.set(slot, desired);
      const reason = `this device has no slot "${slot}"; its slots are: ${known}`;
      this.#options.onEvent({ slot, deployment, digest, state: 'rejected', failure: 'incompatible', reason });
    }
  }

  /** Not beside the first inferences: what is about to be served was hashed before it was loaded. */
  async #verify(): Promise<void> {
    try {
      for (const digest of await this.#store.verify()) {
        this.#options.onAlarm(
          'artifact-decayed',
          `stored file ${digest} decayed on disk and was removed; it is fetched again when needed`,
        );
      }
    } catch (error) {
      this.#options.onAlarm('store-unreadable', `the artifact store cannot be checked: ${messageOf(error)}`);
    }
  }
}

const targetOf = ({ deployment, manifestDigest, release, probation, activate }: DesiredSlot): Target => ({
  deployment,
  digest: manifestDigest,
  release,
  probation,
  ...(activate ? { activate } : {}),
});

/** The contract bounds a reason to 2000 characters. */
const slotReport = (slot: SlotName, { deployment, digest, state, failure, reason, variant, committed }: Report): SlotReport => ({
  slot,
  deployment,
  digest,
  state,
  failure,
  reason: reason?.slice(0, 2000),
  variant,
  committed,
});

function digestsOf({ committed, previous, update }: SlotState): Digest[] {
  const candidate = 'run' in update ? update.target.digest : undefined;
  return [committed?.digest, previous?.digest, candidate].filter((digest) => digest !== undefined);
}

function reportedSlot(slot: SlotName, { update, committed }: SlotState, serving: Digest | undefined): ReportedSlot {
  const deployment = update.state === 'idle' ? undefined : update.target.deployment;
  return { slot, deployment, digest: serving, committed: committed?.digest, state: asTold(update.state) };
}
