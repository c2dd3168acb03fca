import type { OnSwap } from '@flotilla/protocol/device';
import { type Held, type Part, decodeBlob, encodeBlob } from './blob.js';

/** What one step says it remembers of a stream. */
export type Remembers<T> = {
  key: string;
  /** What must be the same in another release for the memory to make sense there. */
  signature: string;
  onSwap: OnSwap;
  /** Where something of the stream was lost; it is carried where nothing is said. */
  onGap?: 'reset' | 'carry';
  /** Throws for what it can't be. */
  read(held: Held): T;
  write(value: T): Held;
};
export const windowKey = 'window';
export type AnyMemory = Remembers<unknown>;
type Entry = { value: unknown; began: string | undefined };

/** Where a state comes from and goes to. */
export type Stream = { digest: string; stream: string; gap?: boolean | undefined };

/** What a release remembers of one stream, while one of its frames is inferred. */
export class Memory {
  readonly #entries: Map<string, Entry>;

  constructor(
    private readonly steps: readonly AnyMemory[],
    private readonly stream: Stream,
    entries: readonly (readonly [string, Entry])[],
  ) {
    this.#entries = new Map(entries);
  }

  /** Undefined where the step begins anew. */
  recall<T>({ key }: Remembers<T>): T | undefined {
    return this.#entries.get(key)?.value as T | undefined;
  }

  /** `certain`: as much can be made of this result as if the step had always been there. */
  keep<T>({ key }: Remembers<T>, value: T, certain: boolean): void {
    const began = certain ? undefined : this.#entries.get(key)?.began;
    this.#entries.set(key, { value, began });
  }

  /** Why less can be made of one step's result. */
  began({ key }: AnyMemory): string | undefined {
    return this.#entries.get(key)?.began;
  }

  /** The same of the result that was just made, in a sentence. A window says it of itself: of a chunk's several only the first may not be whole. */
  uncertain(window?: string): string | undefined {
    const unsure = [...this.#entries].flatMap(([key, { began }]) => {
      const why = key === windowKey ? window : began;
      return why === undefined ? [] : [{ key, why }];
    });
    const reasons = Map.groupBy(unsure, ({ why }) => why);
    return (
      [...reasons].map(([why, steps]) => `${steps.map(({ key }) => key).join(', ')} began anew: ${why}`).join('; ') || undefined
    );
  }

  written(): Buffer {
    const parts = this.steps.flatMap((step): Part[] => {
      const entry = this.#entries.get(step.key);
      if (entry?.value === undefined) return [];
      return [{ key: step.key, signature: step.signature, began: entry.began, ...step.write(entry.value) }];
    });
    return encodeBlob({ ...this.stream, parts });
  }
}

/** Never throws: what can't be used begins anew, and says why. */
export function recollect(steps: readonly AnyMemory[], state: Uint8Array | undefined, stream: Stream): Memory {
  const found = partsOf(state, stream.stream);
  const entries = steps.map((step) => [step.key, entryOf(step, found, stream)] as const);
  return new Memory(steps, stream, entries);
}

type Found = { digest: string; parts: readonly Part[] } | { began: string };

function partsOf(state: Uint8Array | undefined, stream: string): Found {
  if (!state) return { began: 'nothing is known of the stream before this' };
  try {
    const blob = decodeBlob(state);
    return blob.stream === stream ? blob : { began: `the state that came is of the stream "${blob.stream}"` };
  } catch (error) {
    return { began: `the state that came can't be used: ${(error as Error).message}` };
  }
}

function entryOf(step: AnyMemory, found: Found, { digest, gap }: Stream): Entry {
  const anew = (began: string): Entry => ({ value: undefined, began });
  if ('began' in found) return anew(found.began);
  const isSwap = found.digest !== digest;
  if (isSwap && step.onSwap === 'reset') return anew('another release serves (onSwap: reset)');
  const part = found.parts.find(({ key }) => key === step.key);
  if (!part) return anew(isSwap ? 'the release before remembered nothing of the kind' : 'the state that came has nothing of it');
  if (part.signature !== step.signature) return anew(`it was ${part.signature}, and is ${step.signature}`);
  if (gap && step.onGap === 'reset') return anew('something of the stream was lost');
  try {
    return { value: step.read(part), began: part.began };
  } catch (error) {
    return anew(`the state that came can't be used: ${(error as Error).message}`);
  }
}
