import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrno } from '../../errors.js';
import { Payload } from '../../frame.js';

/** One line of a recording's `index.jsonl`: a frame, in the order in which they were taken. */
export const RecordedFrame = z.object({
  /** Beside the index; its name is its number. */
  file: z.string().regex(/^\d{8,15}\.[a-z0-9]{1,5}$/),
  capturedAt: z.iso.datetime(),
  payload: Payload,
  name: z.string().max(512).optional(),
  gap: z.boolean().optional(),
});
export type RecordedFrame = z.infer<typeof RecordedFrame>;

export const indexOf = (folder: string) => join(folder, 'index.jsonl');
export const numberOf = ({ file }: Pick<RecordedFrame, 'file'>) => Number.parseInt(file, 10);

/** Nothing where there is no index yet; a line that a power cut left half is passed over. */
export async function* recordedFrames(folder: string): AsyncGenerator<RecordedFrame> {
  const index = await open(indexOf(folder)).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (!index) return;
  try {
    for await (const line of index.readLines({ encoding: 'utf8' })) {
      const frame = parsed(line);
      if (frame) yield frame;
    }
  } finally {
    await index.close();
  }
}

function parsed(line: string): RecordedFrame | undefined {
  try {
    return RecordedFrame.safeParse(JSON.parse(line)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
