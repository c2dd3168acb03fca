import { createHash } from 'node:crypto';
import type { SlotPipeline } from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import type { GatewaySlot } from '../gateway-protocol.js';
import type { Logger } from '../log.js';
import { PredictionStreams } from '../http/prediction-stream.js';
import { staleAfterMs } from '../stale.js';
import { Inspections } from './inspections.js';
import { Lane } from './lane.js';
import type { Reading, ReadingQuality } from './outputs/reading.js';
import type { Cause } from './outputs/slot-port.js';
import { type Result, Results } from './results.js';
import { RunnerClient } from './runner-client.js';
import type { Sink, Source, SourceContext, SourceState } from './source.js';
import { openSource } from './sources/open.js';
import type { Recorder } from './sources/recorder.js';

type SlotPipelineParts = {
  config: GatewaySlot;
  folder: string;
  log: Logger;
  onSource: (slot: string, state: SourceState) => void;
  open?: (source: NonNullable<SlotPipeline['source']>, context: SourceContext) => Promise<Source>;
};

/** One slot's source, lane, results and trigger, put together as its configuration says. */
export class SlotGateway {
  readonly results: Results;
  readonly inspections: Inspections | undefined;
  readonly lane: Lane;
  /** Who follows the results. */
  readonly streams = new PredictionStreams();
  readonly #runner: RunnerClient;
  readonly #closing = new AbortController();
  #source: Source | undefined;
  /** What may change without disturbing the work. */
  #around: Pick<GatewaySlot, 'from' | 'outputs'>;
  #quality: ReadingQuality | undefined;
  #recorder: Recorder | undefined;
  #opened: Promise<void> = Promise.resolve();
  #triggered: Promise<{ stop: () => Promise<void> } | undefined> = Promise.resolve(undefined);

  constructor(private readonly parts: SlotPipelineParts) {
    const { config, log, onSource } = parts;
    const { slot, socket, trigger, source, pipeline } = config;
    this.#around = { from: config.from, outputs: config.outputs };
    this.results = new Results(staleAfterMs(config));
    this.inspections = trigger && new Inspections(trigger, () => this.lane.trouble);
    this.#runner = new RunnerClient(slot, socket);
    this.lane = new Lane({
      slot,
      stream: streamOf(source),
      runner: this.#runner,
      results: this.results,
      inspections: this.inspections,
      overrides: pipeline,
      log,
      onSource: (state) => onSource(slot, state),
    });
  }

  /** Graded by all that is known, as outputs see it. */
  get latest(): (Result & { quality: ReadingQuality }) | undefined {
    const { latest } = this.results;
    if (!latest) return undefined;
    const isJustStale = latest.quality === 'stale' && this.#quality !== 'safe-mode';
    return { ...latest, quality: isJustStale ? 'stale' : (this.#quality ?? latest.quality) };
  }

  /** What outputs are told, whoever follows the results is told too. */
  heard({ quality, reason, at }: Reading, cause: Cause): void {
    const isChange = quality !== this.#quality;
    this.#quality = quality;
    const { latest } = this.results;
    if (cause === 'result' && latest) this.streams.publish({ ...latest.prediction, seq: latest.sequence }, quality);
    else if (isChange) this.streams.tell('quality', { quality, reason, at: new Date(at).toISOString() });
  }

  get config(): GatewaySlot {
    return { ...this.parts.config, ...this.#around };
  }

  /** The same work, asked for by somebody else or with other outputs. */
  askedFor({ from, outputs }: Pick<GatewaySlot, 'from' | 'outputs'>): void {
    this.#around = { from, outputs };
  }

  /** Undefined until it is open, and where there is none. */
  get source(): Source | undefined {
    return this.#source;
  }

  /** Resolves when the source is open, or is known not to be. */
  async start(): Promise<void> {
    this.inspections?.start();
    this.#triggered = this.#openTrigger();
    this.#opened = this.#open();
    await this.#opened;
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    this.inspections?.stop('the configuration of the slot was changed');
    await (await this.#triggered)?.stop();
    await this.#opened;
    await this.#source?.stop();
    await this.#recorder?.close();
    // A runner that hangs is not waited for: its connection is cut, and the lane ends with it.
    const late = setTimeout(() => this.#runner.close(), lastResultMs);
    await this.lane.close();
    clearTimeout(late);
    this.#runner.close();
    this.streams.end();
  }

  /** The lane, by way of a recorder where one is asked for. */
  async #sink(): Promise<Sink> {
    const { config, log } = this.parts;
    if (!config.record) return this.lane;
    const { Recorder, recording } = await import('./sources/recorder.js');
    const say = (reason: string) => log.warn({ slot: config.slot }, reason || 'the recording goes on');
    this.#recorder = new Recorder(config.record, say);
    return recording(this.lane, this.#recorder);
  }

  async #openTrigger() {
    const { config, log } = this.parts;
    if (!this.inspections || !config.trigger?.mqtt) return undefined;
    const { MqttTrigger } = await import('./mqtt-trigger.js');
    const trigger = new MqttTrigger({ config: config.trigger.mqtt, inspections: this.inspections, log, slot: config.slot });
    trigger.start();
    return trigger;
  }

  async #open(): Promise<void> {
    const { config, folder, log, open = openSource } = this.parts;
    if (!config.source) return;
    try {
      if (config.trigger && isStream(config.source))
        throw new Error(
          'a trigger captures a picture or features, and this source is a stream of samples: leave one of the two out',
        );
      const source = await open(config.source, { slot: config.slot, folder });
      if (this.#closing.signal.aborted) return;
      this.#source = source;
      source.start(await this.#sink());
    } catch (error) {
      log.error({ slot: config.slot, reason: messageOf(error) }, 'the source can not be opened');
      this.lane.state({ state: 'failed', reason: messageOf(error) });
    }
  }
}

/** For what is still computed when the slot's configuration changes. */
const lastResultMs = 2000;

const isStream = (source: NonNullable<SlotPipeline['source']>): boolean =>
  'audio' in source || ('lines' in source && source.as !== 'features');

/** The same source has the same name over restarts, and another has another: what a release remembers of one is not taken for the other's. */
const streamOf = (source: SlotPipeline['source']): string =>
  source ? createHash('sha256').update(JSON.stringify(source)).digest('hex').slice(0, 16) : 'none';
