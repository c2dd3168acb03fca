import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type Baseline, DeploymentId, digestOf, SlotName } from '@flotilla/protocol/device';
import { UpdateFailure } from '../core/failure.js';
import { type RunnerProgram, RunnerProcess } from '../supervisor/runner-process.js';
import { StartError } from '../supervisor/start-error.js';
import { type ReleaseFolder, readReleaseFolder } from './release-folder.js';

export type BaselineOptions = { variant?: string; out?: string };
type Say = (line: string) => void;

const usualName = 'baseline.json';
/** One example may take that long; each tells of itself. */
const silentMs = 120_000;
const most = { maxComputeMs: 600_000, maxRssBytes: 8e9 };
/** Fewer say little about shares of a tenth. */
const enough = 200;

/** `flotilla-agent baseline RELEASE EXAMPLES`: what inputs and answers look like at home, for devices to count against. Throws StartError. */
export async function baselineCommand(
  [folder, examples]: readonly [string, string],
  { variant, out }: BaselineOptions,
  program: Omit<RunnerProgram, 'stubPath'>,
  say: Say,
): Promise<void> {
  const release = await readReleaseFolder(folder, variant);
  if (!existsSync(examples)) throw new StartError('config', `There is no ${examples}: name a file or a folder with examples.`);
  const { baseline, refused, firstRefusal } = await measured(release, { folder, examples }, program, say);
  if (refused > 0) say(`${refused} of the examples could not be used, the first: ${firstRefusal}`);
  if (!baseline)
    throw new StartError('config', `Nothing in ${examples} could be used: pictures, WAV, JSON and JSON lines are read.`);
  if (baseline.inferences < enough)
    say(`${baseline.inferences} inferences are few: take ${enough} or more for shares that can be trusted.`);
  const file = out ?? join(folder, release.baseline ?? usualName);
  await writeFile(file, textOf(baseline));
  say(`${file} is written, of ${baseline.inferences} inferences.`);
  if (release.baseline === undefined) say(`Add "baseline: ${usualName}" to release.yaml, so that it goes with the release.`);
}

async function measured(
  { manifest, variant }: ReleaseFolder,
  where: { folder: string; examples: string },
  program: Omit<RunnerProgram, 'stubPath'>,
  say: Say,
) {
  const runner = new RunnerProcess(program);
  let said = 0;
  runner.oversee({
    ...most,
    heartbeatMs: silentMs,
    onProgress: ({ phase, fraction = 0 }) => {
      const tenth = Math.floor(fraction * 10);
      if (phase === 'measuring' && tenth > said) say(`${(said = tenth) * 10} %`);
    },
  });
  try {
    runner.send({
      type: 'measure',
      slot: SlotName.parse('baseline'),
      deployment: DeploymentId.parse(randomUUID()),
      digest: digestOf(manifest),
      manifest,
      variant,
      folder: resolve(where.folder),
      examples: resolve(where.examples),
      intraOpThreads: Math.max(1, Math.min(4, availableParallelism() - 1)),
      ...most,
    });
    return await runner.expect('measured', silentMs);
  } catch (error) {
    if (!(error instanceof UpdateFailure)) throw error;
    throw new StartError('unavailable', `The release cannot be measured: ${error.message}.`, { cause: error });
  } finally {
    await runner.leave();
  }
}

/** One histogram a line: people read it, and compare two. */
function textOf({ inputs, ...others }: Baseline): string {
  const lines = inputs.map((histogram) => `\n    ${JSON.stringify(histogram)}`).join(',');
  const { v, inferences, ...rest } = others;
  const tail = Object.entries(rest).map(([key, value]) => `,\n  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{\n  "v": ${v},\n  "inferences": ${inferences},\n  "inputs": [${lines}\n  ]${tail.join('')}\n}\n`;
}
