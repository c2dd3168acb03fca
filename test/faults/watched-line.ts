import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aManifest, FleetOfOne, until } from '@flotilla/agent/supervisor/fixtures/fleet-of-one';
import {
  canonicalJson,
  DeploymentId,
  type DesiredSlot,
  Manifest,
  type OutputsConfig,
  SlotName,
  SlotPipeline,
} from '@flotilla/protocol';
import sharp from 'sharp';
import { agentFile } from '../support/agent-files.js';

export const camera = SlotName.parse('camera');
const station = SlotName.parse('station');
export const colours = ['red', 'green', 'blue'] as const;
export type Colour = (typeof colours)[number];
const framesPerSecond = 30;
const probation = { inferences: 1, timeoutS: 60 };
const limits = { maxComputeMs: 60_000, maxRssBytes: 600e6, maxRunMs: 5000 };

/** A device with a camera that looks on, and a station that inspects what it is told to. */
export class WatchedLine {
  #deployments = 0;
  #releases = 0;

  private constructor(
    readonly device: FleetOfOne,
    private readonly folder: string,
    private readonly parts: ReadonlyMap<Colour, Uint8Array<ArrayBuffer>>,
  ) {}

  /** `outputs`: of the camera's slot. */
  static async start(outputs?: OutputsConfig): Promise<WatchedLine> {
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-line-'));
    const video = join(folder, 'camera.mjpeg');
    await writeFile(video, await recording());
    const listen = { http: { host: '127.0.0.1', port: 0 } };
    const slots = {
      [camera]: { listen, ...SlotPipeline.parse({ source: { video, framesPerSecond, then: 'repeat' }, outputs }) },
      [station]: { listen, ...SlotPipeline.parse({ source: { push: {} }, trigger: { timeoutMs: 20_000 } }) },
    };
    const device = await FleetOfOne.make({ runnerPath: agentFile('dist/runner/main.js'), slots, limits, deadlines: {} });
    const parts = new Map<Colour, Uint8Array<ArrayBuffer>>();
    for (const colour of colours) parts.set(colour, new Uint8Array(await picture(colour, 'png')));
    const line = new WatchedLine(device, folder, parts);
    await line.swap();
    return line;
  }

  get url(): string {
    return this.device.gatewayUrl;
  }

  /** A new release for both slots; resolves when both have committed it. */
  async swap(): Promise<void> {
    const { device } = this;
    const model = readFileSync(agentFile('src/runner/fixtures/colour.onnx'));
    const files = { 'model.onnx': model, 'labels.txt': 'red\ngreen\nblue\n' };
    const manifest = Manifest.parse({
      ...aManifest(device.server, files),
      ...steps,
      variants: [variant],
      summary: `number ${++this.#releases}`,
    });
    const manifestDigest = device.server.put(canonicalJson(manifest));
    const desired = [camera, station].map((slot): DesiredSlot => {
      const deployment = DeploymentId.parse(`00000000-0000-4000-8000-${String(++this.#deployments).padStart(12, '0')}`);
      return { slot, deployment, release: 'colours@1.0.0', manifestDigest, probation };
    });
    device.apply(desired);
    const committed = (one: DesiredSlot) => device.told(one).some((state) => state.startsWith('committed'));
    await until(
      () => desired.every(committed),
      () => `not committed: ${JSON.stringify(desired.map((one) => toldOf(device, one)))}`,
      90_000,
    );
  }

  /** One inspection as a controller has it made: the command, then the part before the camera. What was answered, or why nothing was. */
  async inspect(id: string, colour: Colour): Promise<{ status: number; id?: string; label?: string; error?: string }> {
    const asked = fetch(`${this.url}/v1/slots/${station}/inspections`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id }),
    });
    const ended = { yet: false };
    const shown = this.#show(colour, ended);
    try {
      const response = await asked;
      const body = (await response.json()) as Answer;
      return { status: response.status, id: body.prediction?.inspection ?? '', label: body.prediction?.top?.[0]?.label ?? '' };
    } catch (error) {
      return { status: 0, error: String((error as Error).cause ?? error) };
    } finally {
      ended.yet = true;
      await shown;
    }
  }

  async end(): Promise<void> {
    await this.device.end();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Until it is taken: before its command is there, nobody asks for it. */
  async #show(colour: Colour, ended: { yet: boolean }): Promise<void> {
    while (!ended.yet) {
      const { status } = await fetch(`${this.url}/v1/slots/${station}/push`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: this.parts.get(colour)!,
      }).catch(() => ({ status: 0 }));
      if (status === 200) return;
    }
  }
}

const toldOf = ({ reports }: FleetOfOne, { deployment }: DesiredSlot) =>
  reports
    .filter((r) => r.deployment === deployment)
    .map(({ state, failure, reason }) => [state, failure, reason].filter(Boolean).join(' '));

type Answer = { prediction?: { inspection?: string; top?: { label: string }[] } };

const variant = { file: 'model.onnx', precision: 'fp32' as const, providers: ['cpu' as const] };
const steps = {
  inputs: [{ name: 'images', type: 'FP32', shape: [1, 3, 8, 8] }],
  outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }],
  preprocess: [
    { decode: {} },
    { resize: { width: 8, height: 8, fit: 'stretch', reference: 'pillow-bilinear' } },
    { normalise: { mean: [0, 0, 0], std: [255, 255, 255], layout: 'NCHW' } },
  ],
  postprocess: [{ softmax: {} }, { 'top-k': { k: 1, labels: 'labels.txt' } }],
};

const picture = (colour: string, format: 'png' | 'jpeg') =>
  sharp({ create: { width: 64, height: 48, channels: 3, background: colour } })
    .toFormat(format)
    .toBuffer();

async function recording(): Promise<Buffer> {
  const pictures = await Promise.all(colours.map((colour) => picture(colour, 'jpeg')));
  return Buffer.concat(Array.from({ length: 60 }, (_, i) => pictures[i % pictures.length]!));
}
