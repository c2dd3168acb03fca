import { type FileHandle, open } from 'node:fs/promises';
import type { JsonLines } from './json-lines.js';
import { z } from 'zod';
import { Prediction } from '../../prediction.js';

/** As a line of the file tells it; older agents left the variant out. */
export const PastPrediction = Prediction.extend({ variant: z.string().max(256).optional() });
export type PastPrediction = z.infer<typeof PastPrediction>;

/** Newest bytes that are searched, of the file and of the one before it: some ten thousand predictions. */
const searchedBytes = 4 * 1024 * 1024;

/** `<slot>.jsonl` → `<slot>.feedback.jsonl`, beside it. */
export const feedbackFile = (predictions: string) => `${predictions.replace(/\.jsonl$/, '')}.feedback.jsonl`;

/** A prediction by its id in the file that `lines` writes: this runner's, or one's that served before it. */
export async function findPrediction(id: string, file: string, lines: JsonLines): Promise<PastPrediction | undefined> {
  await lines.flush();
  for (const path of [file, `${file}.1`]) {
    const found = lineWith(`"id":${JSON.stringify(id)},`, await tailOf(path));
    if (found) return found;
  }
  return undefined;
}

function lineWith(mark: string, text: Buffer): PastPrediction | undefined {
  for (let at = text.lastIndexOf(mark); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(mark, at - 1)) {
    const [start, end] = [text.lastIndexOf('\n', at) + 1, text.indexOf('\n', at)];
    const prediction = PastPrediction.safeParse(parsed(text.subarray(start, end < 0 ? undefined : end)));
    if (prediction.success) return prediction.data;
  }
  return undefined;
}

/** A line may be cut, where the search begins or where the power was. */
function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
}

async function tailOf(path: string): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, searchedBytes));
    const { bytesRead } = await file.read(tail, 0, tail.length, size - tail.length);
    return tail.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
