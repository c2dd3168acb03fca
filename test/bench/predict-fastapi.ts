import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { BareLoop } from './bare.js';
import { LoadClient, unfailing } from './load.js';
import type { Figure } from './figure.js';
import { blazeface, bytesOf, file } from './models.js';
import type { PartOptions } from './predict-part.js';
import { benchSlot } from './served-model.js';
import { estimate } from './statistics.js';

const roundMs = 400;

/** For comparison: the same model and payload behind FastAPI, where a Python has it. */
export async function fastapi({ log, rounds, flags }: PartOptions): Promise<Record<string, Figure>> {
  const python = flags.value('python') ?? process.env['FLOTILLA_BENCH_PYTHON'];
  if (!python) return { fastapi_ratio: { skipped: 'name a Python with fastapi, uvicorn, numpy and onnxruntime: --python PATH' } };
  const server = spawn(python, [file('bench/fastapi_server.py'), blazeface.path], {
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const bare = await BareLoop.of(blazeface);
  let client: LoadClient | undefined;
  try {
    const call = { slot: benchSlot, inputs: blazeface.inputs, outputBytes: bytesOf(blazeface.outputs) };
    client = await LoadClient.connected('rest', { port: await portOf(server) }, call, 2);
    await Promise.all([client.closedLoop(2, 1000), bare.run(1000)]);
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const alone = await bare.run(roundMs);
      ratios.push(unfailing(await client.closedLoop(2, roundMs)).perSecond / alone.perSecond);
    }
    const { median, interval } = estimate(ratios);
    return { fastapi_ratio: { value: median, interval, unit: 'ratio' } };
  } catch (error) {
    log(`  ${(error as Error).message}`);
    return { fastapi_ratio: { skipped: `${python} does not serve it` } };
  } finally {
    server.kill('SIGKILL');
    await Promise.all([client?.end(), bare.end()]);
  }
}

async function portOf(server: ChildProcess): Promise<number> {
  const ended = once(server, 'exit').then(() => Promise.reject(new Error('it ended before it listened')));
  const [line] = (await Promise.race([once(createInterface({ input: server.stdout! }), 'line'), ended])) as [string];
  return Number(line);
}
