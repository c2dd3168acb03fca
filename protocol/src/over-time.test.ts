import { describe, expect, test } from 'vitest';
import {
  Manifest,
  PostprocessStep,
  PreprocessStep,
  feedsProblem,
  graphProblem,
  madeInputs,
  postprocessProblem,
  preprocessProblem,
  preprocessing,
} from './index.js';

const pre = (...steps: object[]) => steps.map((step) => PreprocessStep.parse(step));
const post = (...steps: object[]) => steps.map((step) => PostprocessStep.parse(step));
const signal = { signal: { rate: 16_000, channels: 'mono' } };
const window = { window: { samples: 512, hop: 256, context: 64, onSwap: 'carry' } };
const waveform = { waveform: { layout: 'NT' } };

describe('a signal becomes', () => {
  test.each<[string, object[], unknown]>([
    ['one row', [signal, window, waveform], { asked: 'signal', type: 'FP32', shape: [1, 576] }],
    [
      'a row for each channel',
      [{ signal: { rate: 50, channels: 3 } }, window, { waveform: { layout: 'NTC' } }],
      { asked: 'signal', type: 'FP32', shape: [1, 576, 3] },
    ],
  ])('%s', (_what, steps, made) => expect(preprocessing(pre(...steps))).toEqual(made));

  test.each<[string, object[], RegExp]>([
    ['no window', [signal, waveform], /waveform can't follow a signal/],
    ['a window of nothing', [window, waveform], /window can't follow nothing/],
    [
      'channels in one row',
      [{ signal: { rate: 50, channels: 2 } }, window, waveform],
      /layout NT, which is for one channel, and there are 2/,
    ],
  ])('nothing with %s', (_what, steps, message) =>
    expect(preprocessing(pre(...steps))).toMatchObject({ problem: expect.stringMatching(message) }),
  );

  test.each<[object, string]>([
    [{ samples: 10, hop: 11, onSwap: 'carry' }, 'hop must be at most samples: nothing is passed over'],
    [{ samples: 10, hop: 10 }, 'Invalid option: expected one of "reset"|"carry"'],
  ])('no window of %o', (options, message) => {
    const { error } = PreprocessStep.safeParse({ window: options });
    expect(JSON.stringify(error!.issues)).toContain(JSON.stringify(message).slice(1, -1));
  });
});

describe('inputs that preprocessing does not make', () => {
  const silero = (overrides: object = {}) =>
    Manifest.parse({
      v: 1,
      model: 'speech',
      version: '1.0.0',
      inputs: [
        { name: 'input', type: 'FP32', shape: [-1, -1] },
        { name: 'state', type: 'FP32', shape: [2, -1, 128] },
        { name: 'sr', type: 'INT64', shape: [] },
      ],
      outputs: [
        { name: 'output', type: 'FP32', shape: [-1, 1] },
        { name: 'stateN', type: 'FP32', shape: [-1, -1, -1] },
      ],
      preprocess: [signal, window, waveform],
      constants: [{ input: 'sr', value: 16_000 }],
      recurrent: [{ input: 'state', output: 'stateN', initial: 'zeros', onSwap: 'carry' }],
      variants: [{ file: 'model.onnx', precision: 'fp32', providers: ['cpu'] }],
      files: [{ path: 'model.onnx', sha256: 'a'.repeat(64), size: 1 }],
      ...overrides,
    });

  test('are left out of what it must make', () => {
    const manifest = silero();
    expect(madeInputs(manifest).map(({ name }) => name)).toEqual(['input']);
    expect(preprocessProblem(manifest.preprocess, madeInputs(manifest))).toBeUndefined();
    expect(feedsProblem(manifest)).toBeUndefined();
  });

  const recurrent = { input: 'state', output: 'stateN', initial: 'zeros', onSwap: 'carry' };
  test.each<[string, object, RegExp]>([
    ['of no preprocessing', { preprocess: [] }, /stand beside preprocess, and there is none/],
    ['that are none', { constants: [{ input: 'rate', value: 1 }] }, /"rate" is fed, and is no input; there are input, state, sr/],
    ['fed twice', { constants: [{ input: 'state', value: 1 }] }, /"state" is fed twice/],
    ['of another kind of number', { constants: [{ input: 'sr', value: 0.5 }] }, /0.5 is no INT64, which "sr" takes/],
    ['from no output', { recurrent: [{ ...recurrent, output: 'h' }] }, /comes from the output "h"; there are output, stateN/],
    [
      'from another shape',
      { recurrent: [{ ...recurrent, output: 'output' }] },
      /"output" is FP32 \[-1,1\], the input "state" takes FP32 \[2,1,128\]/,
    ],
    [
      'that are large',
      { preprocess: [signal, { window: { ...window.window, samples: 200_000 } }, waveform] },
      /remember 801280 bytes of a stream; 786432 are the most/,
    ],
  ])('%s are refused', (_what, overrides, message) => expect(feedsProblem(silero(overrides))).toMatch(message));
});

describe('steps over time', () => {
  const outputs = [{ name: 'scores', type: 'FP32' as const, shape: [1, 3] }];
  const topK = { 'top-k': { k: 1, labels: 'labels.txt' } };
  const hysteresis = { hysteresis: { score: { label: 'person' }, on: 0.6, off: 0.4, onSwap: 'reset' } };
  const vote = { vote: { of: 5, atLeast: 3, onSwap: 'reset' } };
  const debounce = { debounce: { ms: 200, onSwap: 'reset' } };
  const segments = { segments: { of: 'on', onSwap: 'reset' } };

  test('come last, in their order', () => {
    expect(postprocessProblem(post(topK, hysteresis, vote, debounce, segments), outputs)).toBeUndefined();
    expect(postprocessProblem(post(vote, topK), outputs)).toMatch(/vote must come after top-k: steps that remember come last/);
    expect(postprocessProblem(post(topK, vote, hysteresis), outputs)).toMatch(/hysteresis reads a score, and must come before/);
    expect(postprocessProblem(post(topK, segments, debounce), outputs)).toMatch(/segments comes last/);
    const read = { hysteresis: { ...hysteresis.hysteresis, score: { output: 'logits' } } };
    expect(postprocessProblem(post(read), outputs)).toBe('postprocess reads the output "logits"; there are scores');
  });

  test.each<[object, string]>([
    [{ vote: { of: 4, atLeast: 2, onSwap: 'reset' } }, 'atLeast must be more than half'],
    [{ vote: { of: 2, atLeast: 3, onSwap: 'reset' } }, 'no more than `of`'],
    [{ debounce: { onSwap: 'reset' } }, 'one of frames and ms'],
    [{ debounce: { frames: 2, ms: 5, onSwap: 'reset' } }, 'one of frames and ms'],
    [{ hysteresis: { score: 'anomaly', on: 1, off: 2, onSwap: 'reset' } }, 'off must be at most on'],
  ])('%o is refused', (step, message) =>
    expect(JSON.stringify(PostprocessStep.safeParse(step).error!.issues)).toContain(message),
  );

  const network = { inputs: [], outputs, preprocess: [], postprocess: post(topK) };
  const graph = { look: { run: 'see', on: 'picture' } } as never;
  const release = (top: object[], own: object[] = [], more: object = {}) => {
    const networks = { see: { ...network, postprocess: post(topK, ...own) } } as never;
    return graphProblem({
      networks,
      graph,
      variants: [{ name: 'a', files: { see: 'see.onnx' } }],
      postprocess: post(...top),
      ...more,
    });
  };
  test('stand beside networks, not in one of them', () => {
    expect(release([hysteresis, vote])).toBeUndefined();
    expect(release([], [vote])).toMatch(/^networks: see: vote remembers a stream; it goes by what all networks found/);
    expect(release([topK])).toMatch(/^postprocess stands beside networks and has top-k: each network has its own/);
    expect(release([{ hysteresis: { ...hysteresis.hysteresis, score: {} } }])).toMatch(/beside networks there are none/);
    expect(release([vote, hysteresis])).toMatch(/hysteresis reads a score/);
    expect(release([], [], { constants: [] })).toMatch(/^constants stands beside networks/);
  });
});
