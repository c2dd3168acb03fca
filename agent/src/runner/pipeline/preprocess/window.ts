import { type Window, windowLength } from '@flotilla/protocol/device';
import { z } from 'zod';
import { type Remembers, windowKey } from '../memory/memory.js';
import { bytesOf, floatsOf } from '../memory/numbers.js';
import { type Preprocess, type Signal, type SignalShape, type SignalWindow, type Surroundings, expectStage } from '../stages.js';

/** What is left for the next window, of each channel; `madeUp`: how many of its first samples are zeros that nobody took. */
type Tail = { planes: readonly Float32Array[]; madeUp: number };
export type Windowing = Pick<Window, 'samples' | 'hop' | 'context'>;

/** `at`: of the first sample after the context, in milliseconds. */
export type Cut = { at: number; planes: Float32Array[]; isWhole: boolean };

/** More would keep one frame for minutes. */
const mostWindows = 2000;

/** A chunk completes any number of windows, or none. `at`: when the chunk's first sample was taken. */
export function windowed(
  { planes, rate }: Pick<Signal, 'planes' | 'rate'>,
  options: Windowing,
  { planes: left, madeUp }: Tail,
  at: number,
): { windows: Cut[]; tail: Tail } {
  const { hop, context = 0 } = options;
  const length = windowLength(options);
  const whole = planes.map((plane, channel) => joined(left[channel]!, plane));
  const total = whole[0]!.length;
  const before = left[0]!.length;
  const count = Math.max(0, Math.floor((total - length) / hop) + 1);
  if (count > mostWindows) throw new Error(`it holds ${count} windows; ${mostWindows} are the most, send shorter chunks`);
  const windows = Array.from({ length: count }, (_, i) => ({
    at: at + ((i * hop + context - before) / rate) * 1000,
    planes: whole.map((plane) => plane.slice(i * hop, i * hop + length)),
    isWhole: i * hop >= madeUp,
  }));
  const used = count * hop;
  return { windows, tail: { planes: whole.map((plane) => plane.slice(used)), madeUp: Math.max(0, madeUp - used) } };
}

export const beginning = (channels: number, { context = 0 }: Windowing): Tail => ({
  planes: Array.from({ length: channels }, () => new Float32Array(context)),
  madeUp: context,
});

export function openWindow(options: Window, around: Surroundings): Preprocess {
  const { channels } = around.signal!;
  const memory = tailMemory(options, around.signal!);
  around.remember?.(memory);
  return (stage, { memory: held, at } = { at: 0 }) => {
    const signal = expectStage(stage, 'signal');
    const uncertain = held?.began(memory) ?? 'nothing is known of the signal before this';
    const { windows, tail } = windowed(signal, options, held?.recall(memory) ?? beginning(channels, options), at);
    held?.keep(memory, tail, tail.madeUp === 0);
    const { rate } = signal;
    return {
      kind: 'windows',
      windows: windows.map(({ isWhole, ...window }): SignalWindow => ({
        kind: 'window',
        rate,
        ...window,
        uncertain: isWhole ? undefined : uncertain,
      })),
    };
  };
}

const Value = z.object({ madeUp: z.int().min(0), samples: z.int().min(0) });

function tailMemory(options: Windowing & Pick<Window, 'onSwap'>, { channels, rate }: SignalShape): Remembers<Tail> {
  const { samples, hop, context = 0, onSwap } = options;
  return {
    key: windowKey,
    signature: JSON.stringify({ samples, hop, context, channels, rate }),
    onSwap,
    onGap: 'reset',
    write: ({ planes, madeUp }) => ({
      value: { madeUp, samples: planes[0]!.length },
      data: Buffer.concat(planes.map(bytesOf)),
    }),
    read: ({ value, data }) => {
      const { madeUp, samples: held } = Value.parse(value);
      if (held >= windowLength(options) || held < context) throw new Error(`${held} samples can't be left of a window`);
      const floats = floatsOf(data, held * channels);
      return { planes: Array.from({ length: channels }, (_, i) => floats.slice(i * held, (i + 1) * held)), madeUp };
    },
  };
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const all = new Float32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
