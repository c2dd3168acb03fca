import { type LogMel, type Spectrum, logMelShape, spectrumShape } from '@flotilla/protocol/device';
import { logMelOf } from '../signal/log-mel.js';
import { spectrumOf } from '../signal/spectrum.js';
import { type Made, type Preprocess, type SignalWindow, expectStage } from '../stages.js';

/** One channel's numbers, in the order of the analysis. */
type Analysis = (plane: Float32Array, into: Float32Array) => void;
/** Where the analysis of a channel goes: its rows are `rows` long, and turned where the model has columns first. */
type Layout = { shape: readonly number[]; rows: number; isTurned: boolean; isInterleaved: boolean };

export function openSpectrum(options: Spectrum): Preprocess {
  const analyse = perLength((samples) => spectrumOf(samples, options));
  return (stage) => {
    const window = expectStage(stage, 'window');
    const { shape } = shapeOf(spectrumShape(options, sizeOf(window)));
    const layout = { shape, rows: 1, isTurned: false, isInterleaved: options.layout === 'NFC' };
    return tensorOf(window, analyse(window), layout, options.scale);
  };
}

export function openLogMel(options: LogMel): Preprocess {
  const analyse = perLength((samples, rate) => logMelOf(samples, rate, options));
  return (stage) => {
    const window = expectStage(stage, 'window');
    const { shape } = shapeOf(logMelShape(options, sizeOf(window)));
    const layout = { shape, rows: options.mels, isTurned: options.layout.endsWith('TM'), isInterleaved: false };
    return tensorOf(window, analyse(window), layout, options.scale);
  };
}

const sizeOf = ({ planes, rate }: SignalWindow) => ({ channels: planes.length, rate, samples: planes[0]!.length });

function shapeOf(told: { shape: number[] } | { problem: string }): { shape: number[] } {
  if ('problem' in told) throw new Error(told.problem);
  return told;
}

/** Tables are made for the length of window that comes, which is always the same. */
function perLength(open: (samples: number, rate: number) => Analysis): (window: SignalWindow) => Analysis {
  let [opened, of]: [Analysis | undefined, number] = [undefined, -1];
  return ({ planes, rate }) => {
    const samples = planes[0]!.length;
    if (!opened || of !== samples) [opened, of] = [open(samples, rate), samples];
    return opened;
  };
}

function tensorOf({ planes }: SignalWindow, analyse: Analysis, layout: Layout, scale: LogMel['scale']): Made {
  const { shape, rows, isTurned, isInterleaved } = layout;
  const count = shape.reduce((product, size) => product * size, 1) / planes.length;
  const data = new Float32Array(count * planes.length);
  const found = new Float32Array(count);
  const columns = count / rows;
  planes.forEach((plane, channel) => {
    analyse(plane, found);
    if (scale) for (let i = 0; i < count; i++) found[i] = (found[i]! - scale.mean) / scale.std;
    const [start, step] = isInterleaved ? [channel, planes.length] : [channel * count, 1];
    for (let i = 0; i < count; i++) {
      const at = isTurned ? (i % columns) * rows + Math.floor(i / columns) : i;
      data[start + at * step] = found[i]!;
    }
  });
  return { kind: 'tensor', type: 'FP32', shape, data };
}
