import { z } from 'zod';
import { readIfThere, writeDurably } from './durable-file.js';

const Stored = z.object({ v: z.literal(1), session: z.int().min(0) });

/** The number of the last session that the control plane welcomed this device to; a damaged file is as good as none. */
export function loadSession(file: string): number {
  const stored = z.string().transform(parseJson).pipe(Stored).safeParse(readIfThere(file));
  return stored.success ? stored.data.session : 0;
}

export function saveSession(file: string, session: number): void {
  writeDurably(file, JSON.stringify({ v: 1, session } satisfies z.infer<typeof Stored>));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // refused by the schema that comes next
  }
}
