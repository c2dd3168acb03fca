import { type Waveform, waveformShape } from '@flotilla/protocol/device';
import { type Preprocess, expectStage } from '../stages.js';

/** A window's samples as the model takes them. */
export const openWaveform =
  (options: Waveform): Preprocess =>
  (stage) => {
    const { planes } = expectStage(stage, 'window');
    const { layout, scale = 1 } = options;
    const [channels, samples] = [planes.length, planes[0]!.length];
    const [step, plane] = layout === 'NTC' ? [channels, 1] : [1, samples];
    const data = new Float32Array(channels * samples);
    for (let channel = 0; channel < channels; channel++)
      for (let i = 0; i < samples; i++) data[channel * plane + i * step] = planes[channel]![i]! * scale;
    return { kind: 'tensor', type: 'FP32', shape: waveformShape(options, channels, samples), data };
  };
