import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindSocket, type ListeningSocket } from '@flotilla/agent/supervisor/listening-socket';
import { GatewayProcess } from '@flotilla/agent/supervisor/gateway-process';
import { until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import { OutputsConfig, SlotName, SlotPipeline } from '@flotilla/protocol';
import { z } from 'zod';
import { Child } from '../bench/child.js';
import { agentFile } from './agent-files.js';
import type { LineCounts, LineQuestion } from './factory-line-main.js';
import type { PeerKind } from './factory-kinds.js';
import type { PeerQuestion } from './factory-peer-main.js';
import type { Tally } from './factory-seen.js';
import { PlainMosquitto } from './plain-mosquitto.js';
import { freePorts } from './ports.js';

const slot = SlotName.parse('inspection');
const View = z.object({ frames: z.object({ inferred: z.number(), dropped: z.number() }) });
const OutputViews = z.object({
  outputs: z.array(
    z.object({
      kind: z.string(),
      state: z.string(),
      reason: z.string().optional(),
      sent: z.number().default(0),
      queued: z.number().default(0),
      dropped: z.number().default(0),
      clients: z.number().default(0),
    }),
  ),
});
type OutputState = z.infer<typeof OutputViews>['outputs'][number];
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A factory around one gateway, the real program: a sensor line, a broker, and a peer for each protocol; each a process of its own. */
export class FactoryRig {
  readonly peers = new Map<PeerKind, Child>();
  readonly alarms: string[] = [];
  readonly #line = new Child(new URL('factory-line-main.js', import.meta.url));
  readonly gateway: GatewayProcess;

  private constructor(
    readonly folder: string,
    readonly broker: PlainMosquitto,
    private readonly http: ListeningSocket & { port: number },
    private readonly ports: Record<'sensor' | 'webhook' | 'opcua' | 'modbus', number>,
  ) {
    const path = agentFile('dist/gateway/main.js');
    const onAlarm = (name: string, message: string) => this.alarms.push(`${name}: ${message}`);
    this.gateway = new GatewayProcess({
      path,
      env: process.env,
      log: quiet,
      dataDir: folder,
      device: 'press-1',
      maxRssBytes: 1e9,
      http,
      onAlarm,
    });
  }

  static async start(): Promise<FactoryRig> {
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-factory-'));
    const [mqtt, sensor, webhook, opcua, modbus] = (await freePorts(5)) as [number, number, number, number, number];
    // What waits for a subscriber that reads nothing is bounded by count, and shall not be lost for that.
    const broker = new PlainMosquitto(folder, mqtt, ['allow_anonymous true', 'max_queued_messages 100000']);
    await broker.start();
    const http = await bindSocket('the gateway', { host: '127.0.0.1', port: 0 });
    const rig = new FactoryRig(folder, broker, http, { sensor, webhook, opcua, modbus });
    await rig.#line.ask({ listen: rig.#socket, port: sensor } satisfies LineQuestion);
    return rig;
  }

  get #socket(): string {
    return join(this.folder, 'runner.sock');
  }

  get pid(): number {
    return this.gateway.pid!;
  }

  /** The outputs of those peers, from now on. */
  async serve(kinds: readonly PeerKind[]): Promise<void> {
    const all = this.#settings();
    const chosen = Object.fromEntries(kinds.map((kind) => [kind, all[kind]]));
    const source = { lines: { tcp: `127.0.0.1:${this.ports.sensor}` }, columns: ['x'], as: { signal: { rate: 1000, chunk: 1 } } };
    const pipeline = SlotPipeline.parse({ source });
    const outputs = kinds.length > 0 ? OutputsConfig.parse(chosen) : undefined;
    this.gateway.configure([{ slot, socket: this.#socket, ...pipeline, outputs, from: {} }]);
    const served = async () => {
      const states = await this.outputs().catch(() => undefined);
      return states?.length === kinds.length && states.every(({ state, kind }) => state === 'running' || kind === 'webhook');
    };
    await until(served, () => 'the outputs did not begin to serve');
  }

  async peer(kind: PeerKind): Promise<void> {
    const { broker, ports } = this;
    const port = { mqtt: broker.port, sparkplug: broker.port, ...ports }[kind];
    const peer = new Child(new URL('factory-peer-main.js', import.meta.url));
    this.peers.set(kind, peer);
    await peer.ask({ kind, port, slot } satisfies PeerQuestion);
  }

  feed(perSecond: number): Promise<void> {
    return this.#line.ask({ perSecond } satisfies LineQuestion);
  }

  /** Another runner takes over, and the supervisor tells what it counts. */
  async swap(counts: { swaps: number; rollBacks: number }): Promise<void> {
    await this.#line.ask({ swap: true } satisfies LineQuestion);
    const release = `parts@1.${counts.swaps - counts.rollBacks}.0`;
    this.gateway.tell({ slot, state: 'serving', update: 'idle', release, drift: 'unknown', ...counts });
  }

  fed(): Promise<LineCounts> {
    return this.#line.ask<LineCounts>({ counts: true } satisfies LineQuestion);
  }

  tally(kind: PeerKind): Promise<Tally> {
    return this.peers.get(kind)!.ask<Tally>({ tally: true } satisfies PeerQuestion);
  }

  flood(kind: PeerKind, ms: number): Promise<void> {
    return this.peers.get(kind)!.ask({ flood: ms } satisfies PeerQuestion);
  }

  async frames(): Promise<z.infer<typeof View>['frames']> {
    return View.parse(await this.#get(`/v1/slots/${slot}`)).frames;
  }

  async outputs(): Promise<OutputState[]> {
    return OutputViews.parse(await this.#get('/v1/outputs')).outputs;
  }

  async output(kind: PeerKind): Promise<OutputState> {
    return (await this.outputs()).find((its) => its.kind === kind)!;
  }

  async end(): Promise<void> {
    await this.gateway.stop();
    await Promise.all([...this.peers.values(), this.#line].map((child) => child.end()));
    await this.broker.stop();
    this.http.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #get(path: string): Promise<unknown> {
    return (await fetch(`http://127.0.0.1:${this.http.port}${path}`)).json();
  }

  #settings(): Record<PeerKind, object> {
    const url = `mqtt://127.0.0.1:${this.broker.port}`;
    return {
      mqtt: { url, homeAssistant: true },
      sparkplug: { url, group: 'plant' },
      webhook: { url: `http://127.0.0.1:${this.ports.webhook}/readings` },
      opcua: { port: this.ports.opcua, security: 'none', anonymous: 'read' },
      modbus: { port: this.ports.modbus, values: ['width'] },
    };
  }
}
