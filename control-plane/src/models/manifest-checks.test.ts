import { Manifest, sha256 } from '@flotilla/protocol';
import { describe, expect, it } from 'vitest';
import { limits, manifestProblems } from './manifest-checks.js';

const boards = new Set(['generic-x64', 'jetson-orin-nano']);
const file = (path: string, size = 1000) => ({ path, size, sha256: sha256(path) });
const files = [
  file('model.int8.onnx'),
  file('labels.txt'),
  file('golden/cases.json'),
  file('golden/cat.jpg'),
  file('baseline.json'),
];
const input = { name: 'images', type: 'FP32', shape: [1, 224, 224, 3] };
const steps = [
  { decode: {} },
  { resize: { width: 224, height: 224, fit: 'centre-crop', reference: 'pillow-bilinear' } },
  { normalise: { mean: [127, 127, 127], std: [128, 128, 128], layout: 'NHWC' } },
];
const ofNetworks = { name: 'int8', files: { name: 'model.int8.onnx' }, precision: 'int8', providers: ['cpu'] };
const variant = { file: 'model.int8.onnx', precision: 'int8', providers: ['cpu'] };

const aManifest = (change: Record<string, unknown> = {}) =>
  Manifest.parse({
    v: 1,
    model: 'product-classifier',
    version: '1.0.0',
    inputs: [input],
    outputs: [{ name: 'scores', type: 'FP32', shape: [1, 1000] }],
    preprocess: steps,
    postprocess: [{ softmax: {} }, { 'top-k': { k: 5, labels: 'labels.txt' } }],
    requires: { agent: '>=0.1.0' },
    golden: { folder: 'golden', tolerance: {} },
    baseline: 'baseline.json',
    variants: [variant],
    files,
    ...change,
  });
const problems = (change: Record<string, unknown>) => manifestProblems(aManifest(change), boards);

describe('a manifest', () => {
  it('that is whole has no problems', () => expect(problems({})).toEqual([]));

  it.each<[string, Record<string, unknown>]>([
    [
      'without pre- and postprocessing',
      { preprocess: [], postprocess: [], golden: undefined, baseline: undefined, requires: {} },
    ],
    ['with a free batch dimension', { inputs: [{ ...input, shape: [-1, 224, 224, 3] }] }],
    ['with free classes', { outputs: [{ name: 'scores', type: 'FP32', shape: [1, -1] }] }],
    [
      'for a profile, an architecture or a CPU feature',
      { variants: [{ ...variant, profiles: ['generic-x64+avx512_vnni', 'arm64'] }] },
    ],
    [
      'with channels first',
      {
        inputs: [{ ...input, shape: [1, 3, 224, 224] }],
        preprocess: [steps[0], steps[1], { normalise: { mean: [0, 0, 0], std: [1, 1, 1], layout: 'NCHW' } }],
      },
    ],
  ])('%s is good too', (_name, change) => expect(problems(change)).toEqual([]));

  it.each<[string, Record<string, unknown>, string]>([
    ['a file listed twice', { files: [...files, file('labels.txt')] }, 'files: labels.txt is listed twice'],
    ['an empty file', { files: [...files, file('empty.txt', 0)] }, 'files: empty.txt is empty'],
    [
      'a file that is too large',
      { files: [...files, file('large.bin', limits.file + 2 ** 30)] },
      'files: large.bin has 3.00 GiB; one file may have 2.00 GiB',
    ],
    [
      'too much together',
      { files: [...files, ...['a', 'b', 'c', 'd', 'e'].map((name) => file(name, limits.file))] },
      'files: all together have 10.00 GiB; a release may have 8.00 GiB',
    ],
    ['a variant named twice', { variants: [variant, variant] }, 'variants: model.int8.onnx is named twice'],
    [
      'a variant without a file',
      { variants: [variant, { ...variant, file: 'model.fp32.onnx' }] },
      "variants: model.fp32.onnx is not among the release's files; add the file or remove the variant",
    ],
    [
      'a variant that is no model',
      { variants: [{ ...variant, file: 'labels.txt' }] },
      'variants: labels.txt must be an .onnx file',
    ],
    [
      'an unknown profile',
      { variants: [{ ...variant, profiles: ['jetson-orin-nan'] }] },
      'variants: model.int8.onnx is for "jetson-orin-nan", which is no known profile (generic-x64, jetson-orin-nano)',
    ],
    ['an input named twice', { inputs: [input, input], preprocess: [] }, 'inputs: "images" is named twice'],
    [
      'a dimension 0',
      { outputs: [{ name: 'scores', type: 'FP32', shape: [0, 1000] }] },
      'outputs: "scores" has a dimension 0; a free dimension is written -1',
    ],
    [
      'steps out of order',
      { preprocess: [steps[1], steps[0], steps[2]] },
      expect.stringMatching(/^preprocess is resize, decode, normalise: resize can't follow nothing; /),
    ],
    [
      'tiles whose findings can not be put together',
      {
        preprocess: [steps[0], { tile: { width: 400, height: 400, overlap: 50 } }, ...steps.slice(1)],
        postprocess: [{ values: [{ name: 'life' }] }],
      },
      "preprocess has tile, and what values finds in many tiles can't be put together",
    ],
    [
      'two inputs for one picture',
      { inputs: [input, { ...input, name: 'more' }] },
      'preprocess makes one tensor, but there are 2 inputs',
    ],
    [
      'another size than the picture becomes',
      { inputs: [{ ...input, shape: [1, 192, 192, 3] }] },
      'preprocess makes FP32 [1,224,224,3], but input "images" takes FP32 [1,192,192,3]',
    ],
    [
      'another rank',
      { inputs: [{ ...input, shape: [1, 150528] }] },
      'preprocess makes FP32 [1,224,224,3], but input "images" takes FP32 [1,150528]',
    ],
    [
      'another type',
      { inputs: [{ ...input, type: 'UINT8' }] },
      'preprocess makes FP32 [1,224,224,3], but input "images" takes UINT8 [1,224,224,3]',
    ],
    [
      'labels that are missing',
      { postprocess: [{ 'top-k': { k: 5, labels: 'names.txt' } }] },
      "postprocess: labels names.txt is not among the release's files",
    ],
    [
      'more top classes than classes',
      { outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }] },
      'postprocess: top 5 of 3 classes',
    ],
    [
      'a golden folder without cases',
      { golden: { folder: 'proof', tolerance: {} } },
      "golden: proof/cases.json is not among the release's files",
    ],
    ['a baseline that is missing', { baseline: 'base.json' }, "baseline: base.json is not among the release's files"],
    ['a strange agent range', { requires: { agent: 'new' } }, 'requires.agent: "new" is not a version range such as >=0.1.0'],
    [
      'files of networks for one network',
      { variants: [ofNetworks] },
      'variants: int8 names files of networks, and the release has no networks',
    ],
  ])('with %s is refused', (_name, change, problem) => expect(problems(change)).toEqual([problem]));

  const network = {
    inputs: [input],
    outputs: [{ name: 'scores', type: 'FP32', shape: [1, 1000] }],
    preprocess: steps,
    postprocess: [{ 'top-k': { k: 5, labels: 'labels.txt' } }],
  };
  const graph = {
    inputs: [],
    outputs: [],
    preprocess: [],
    postprocess: [],
    networks: { name: network },
    graph: { kind: { run: 'name', on: 'picture' } },
    variants: [ofNetworks],
  };
  it.each<[string, Record<string, unknown>, string[]]>([
    ['as it is', {}, []],
    [
      'with a variant whose file is missing',
      { variants: [{ ...ofNetworks, files: { name: 'x.onnx' } }] },
      ["variants: x.onnx is not among the release's files; add the file or remove the variant"],
    ],
    [
      'with an unknown network',
      { graph: { kind: { run: 'nam', on: 'picture' } } },
      ['graph: kind runs "nam"; the networks are name'],
    ],
    [
      'with labels of a network missing',
      {
        networks: {
          name: {
            ...network,
            outputs: [{ name: 'scores', type: 'FP32', shape: [1, 10] }],
            postprocess: [{ 'top-k': { k: 1000, labels: 'names.txt' } }],
          },
        },
      },
      [
        "networks: name: postprocess: labels names.txt is not among the release's files",
        'networks: name: postprocess: top 1000 of 10 classes',
      ],
    ],
  ])('of several networks %s', (_name, change, found) => expect(problems({ ...graph, ...change })).toEqual(found));
});
