import { BareLoop } from './bare.js';
import { Child } from './child.js';
import { spentBetween, threadCpuUs } from './process-use.js';
import type { EchoQuestion } from './echo-main.js';
import { LoadClient, unfailing } from './load.js';
import type { Figure } from './figure.js';
import { blazeface, bytesOf, type ModelUnderTest, smallMlp } from './models.js';
import { join } from 'node:path';
import type { PartOptions } from './predict-part.js';
import { type ServedModel, type Targets, benchSlot, serveModel } from './served-model.js';
import { type Estimate, estimate } from './statistics.js';
import type { Call, Target } from './transports/transport.js';

const roundMs = 400;
const warmUpMs = 1000;

export async function restFigures(options: PartOptions): Promise<Record<string, Figure>> {
  const { ratio, addedMs } = await compare(options, { via: 'rest', model: blazeface });
  return {
    rest_ratio: { ...figure(ratio), unit: 'ratio', reach: '>= 0.95' },
    rest_added_p50_ms: { ...figure(addedMs), unit: 'ms', reach: '<= 0.5' },
  };
}

export async function grpcFigures(options: PartOptions): Promise<Record<string, Figure>> {
  const { ratio, addedMs } = await compare(options, { via: 'grpc', model: blazeface });
  return {
    grpc_ratio: { ...figure(ratio), unit: 'ratio', reach: '>= 0.95' },
    grpc_added_p50_ms: { ...figure(addedMs), unit: 'ms', reach: '<= 1.0' },
  };
}

export async function unixFigures(options: PartOptions): Promise<Record<string, Figure>> {
  const { addedMs } = await compare(options, { via: 'unix', model: smallMlp });
  return { uds_added_p50_ms: { ...figure(addedMs), unit: 'ms', reach: '<= 0.25' } };
}

const figure = ({ median, interval }: Estimate) => ({ value: median, interval });

type Contest = { via: keyof Targets; model: ModelUnderTest };
type Sides = { bare: BareLoop; ours: LoadClient; echo: LoadClient };
type Round = { ratio: number; addedMs: number; echoMs: number };

/** Bare loop, two clients, one client and echo in turn, in the other order every second round, so that a drift of the machine falls on all alike. */
async function compare({ log, rounds }: PartOptions, contest: Contest): Promise<{ ratio: Estimate; addedMs: Estimate }> {
  const { via, model } = contest;
  const transport = via === 'grpc' ? 'grpcBare' : 'rest';
  const served = await serveModel(model, log);
  const echoServer = new Child(new URL('echo-main.js', import.meta.url));
  const bare = await BareLoop.of(model);
  const clients: LoadClient[] = [];
  try {
    const call: Call = { slot: benchSlot, inputs: model.inputs, outputBytes: bytesOf(model.outputs) };
    const connected = async (target: Target) => {
      const client = await LoadClient.connected(transport, target, call, 2);
      clients.push(client);
      return client;
    };
    const echo: EchoQuestion = { serve: transport, answerBytes: bytesOf(model.outputs) };
    if (via === 'unix') echo.path = join(served.release.folder, 'e');
    const sides = { bare, ours: await connected(served.targets[via]), echo: await connected(await echoServer.ask<Target>(echo)) };
    await Promise.all([sides.ours.closedLoop(2, warmUpMs), sides.echo.closedLoop(1, warmUpMs), bare.run(warmUpMs)]);
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round++) measured.push(await measure(sides, round % 2 === 1));
    await report(log, served, sides.ours, measured);
    return { ratio: estimate(measured.map(({ ratio }) => ratio)), addedMs: estimate(measured.map(({ addedMs }) => addedMs)) };
  } finally {
    await Promise.all([...clients.map((client) => client.end()), echoServer.end(), bare.end(), served.end()]);
  }
}

async function measure({ bare, ours, echo }: Sides, backwards: boolean): Promise<Round> {
  const figures = { bare: { perSecond: 0, p50Ms: 0 }, two: 0, oneMs: 0, echoMs: 0 };
  const steps = [
    async () => void (figures.bare = await bare.run(roundMs)),
    async () => void (figures.two = unfailing(await ours.closedLoop(2, roundMs)).perSecond),
    async () => void (figures.oneMs = unfailing(await ours.closedLoop(1, roundMs)).p50Ms),
    async () => void (figures.echoMs = unfailing(await echo.closedLoop(1, roundMs)).p50Ms),
  ];
  for (const step of backwards ? steps.toReversed() : steps) await step();
  return {
    ratio: figures.two / figures.bare.perSecond,
    addedMs: figures.oneMs - figures.bare.p50Ms,
    echoMs: figures.echoMs,
  };
}

/** Processor time does not depend on who else uses the machine: what one request costs the runner's two threads. */
async function report(
  log: PartOptions['log'],
  { pid }: ServedModel,
  client: LoadClient,
  rounds: readonly Round[],
): Promise<void> {
  const before = await threadCpuUs(pid);
  const answered = (await client.closedLoop(2, warmUpMs)).timesMs.length;
  const { main, others } = spentBetween(pid, before, await threadCpuUs(pid));
  const echo = estimate(rounds.map(({ echoMs }) => echoMs));
  log(`  echo of the same sizes, p50: ${shown(echo)} ms`);
  log(
    `  processor time a request: main thread ${(main / answered).toFixed(0)} µs, engine and others ${(others / answered).toFixed(0)} µs`,
  );
}

const shown = ({ median, interval: [low, high] }: Estimate) => `${median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
