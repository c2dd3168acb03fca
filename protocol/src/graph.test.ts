import { describe, expect, test } from 'vitest';
import {
  CutNode,
  Manifest,
  ReleaseFile,
  describeIssues,
  graphOrder,
  graphProblem,
  postprocessOf,
  variantFiles,
  variantName,
  weightsOf,
} from './index.js';

const input = { name: 'x', type: 'FP32', shape: [1, 3, 8, 8] };
const preprocess = [
  { decode: {} },
  { resize: { width: 8, height: 8, fit: 'stretch', reference: 'nearest' } },
  { normalise: { mean: [0, 0, 0], std: [1, 1, 1], layout: 'NCHW' } },
];
const finder = {
  inputs: [input],
  outputs: [{ name: 'boxes', type: 'FP32', shape: [1, 5, 2] }],
  preprocess,
  postprocess: [{ 'yolo-boxes': { format: 'v8', minScore: 0.5, labels: 'things.txt' } }],
};
const namer = {
  inputs: [input],
  outputs: [{ name: 'scores', type: 'FP32', shape: [1, 3] }],
  preprocess,
  postprocess: [{ softmax: {} }, { 'top-k': { k: 1, labels: 'names.txt' } }],
};
const networks = { find: finder, name: namer };
const graph = { things: { run: 'find', on: 'picture' }, parts: { cut: 'things' }, kind: { run: 'name', on: 'parts' } };
const variant = { name: 'int8', files: { find: 'find.onnx', name: 'name.onnx' }, precision: 'int8', providers: ['cpu'] };
const written = (change: object = {}) => ({
  apiVersion: 'flotilla/v1',
  kind: 'Release',
  model: 'parts',
  version: '1.0.0',
  networks,
  graph,
  variants: [variant],
  ...change,
});
const problem = (change: object) => graphProblem(ReleaseFile.parse(written(change)));
const refusal = (change: object) => describeIssues('file.yaml', ReleaseFile, ReleaseFile.safeParse(written(change)).error!);

describe('a release of several networks', () => {
  test('makes sense', () => expect(problem({})).toBeUndefined());

  test('keeps what its variants and steps take', () => {
    const files = [
      { path: 'find.onnx', size: 10 },
      { path: 'name.onnx', size: 5 },
      { path: 'names.txt', size: 1 },
    ].map((file) => ({
      ...file,
      sha256: 'a'.repeat(64),
    }));
    const { apiVersion: _, kind: __, ...rest } = written();
    const manifest = Manifest.parse({ v: 1, ...rest, files });
    expect(variantName(manifest.variants[0]!)).toBe('int8');
    expect(variantFiles(manifest.variants[0]!)).toEqual(['find.onnx', 'name.onnx']);
    expect(weightsOf(manifest, manifest.variants[0])).toBe(15);
    expect(postprocessOf(manifest)).toHaveLength(3);
  });

  test.each<[string, object, string]>([
    ['a graph without networks', { networks: undefined }, 'file.yaml: networks: networks and graph go together'],
    ['networks without a graph', { graph: undefined }, 'file.yaml: graph: networks and graph go together'],
    [
      'neither',
      { networks: undefined, graph: undefined, variants: [{ file: 'a.onnx', precision: 'fp32', providers: ['cpu'] }] },
      'file.yaml: inputs: a network has inputs',
    ],
    [
      'a variant with both',
      { variants: [{ ...variant, file: 'a.onnx' }] },
      'file.yaml: variants.0: a variant has either "file", or for a release of several networks "name" and "files"',
    ],
    [
      'a variant without a name',
      { variants: [{ ...variant, name: undefined }] },
      'file.yaml: variants.0: a variant has either "file"',
    ],
    ['an unknown kind of node', { graph: { ...graph, more: { join: 'kind' } } }, 'file.yaml: graph.more: '],
  ])('%s is no release', (_what, change, sentence) => expect(refusal(change)).toContain(sentence));

  const node = (name: string, value: object) => ({ graph: { ...graph, [name]: value } });
  test.each<[string, object, string]>([
    [
      'a network beside the others',
      { preprocess },
      'preprocess stands beside networks: each network has its own, under its name',
    ],
    [
      'a vote of pictures',
      {
        networks: {
          ...networks,
          name: { ...namer, postprocess: [...namer.postprocess, { vote: { of: 3, atLeast: 2, onSwap: 'reset' } }] },
        },
      },
      'networks: name: vote remembers a stream; it goes by what all networks found, in postprocess beside networks',
    ],
    [
      'constants',
      { constants: [{ input: 'x', value: 1 }] },
      'constants stands beside networks, whose inputs are made by preprocess alone',
    ],
    ['batching', { batching: { maxBatch: 4 } }, 'batching: a graph is computed picture by picture; leave it out'],
    [
      'a network without a file',
      { variants: [{ ...variant, files: { find: 'find.onnx' } }] },
      'variants: int8 names no file for name',
    ],
    [
      'a file without a network',
      { variants: [{ ...variant, files: { ...variant.files, read: 'r.onnx' } }] },
      'variants: int8 names a file for "read"; the networks are find, name',
    ],
    [
      'a file for the whole',
      { variants: [{ file: 'a.onnx', precision: 'fp32', providers: ['cpu'] }] },
      'variants: a.onnx names no file for find, name',
    ],
    [
      'an unknown node',
      node('kind', { run: 'name', on: 'pars' }),
      'graph: kind needs "pars"; there are picture, things, parts, kind',
    ],
    ['an unknown network', node('kind', { run: 'nam', on: 'parts' }), 'graph: kind runs "nam"; the networks are find, name'],
    ['an unused network', { graph: { things: graph.things } }, 'graph: nothing runs the network name'],
    ['an unused cut', node('more', { cut: 'things' }), 'graph: nothing is done with more'],
    [
      'a node by the picture’s name',
      node('picture', { cut: 'things' }),
      'graph: picture is the name of the picture itself; name the node otherwise',
    ],
    [
      'a circle',
      node('things', { run: 'find', on: 'parts' }),
      'graph: parts needs things needs parts: that goes round in a circle',
    ],
    [
      'a network on what another found',
      node('more', { run: 'name', on: 'things', apart: true }),
      'graph: more takes pictures, and things runs a network; cut its boxes out first ({ cut: things })',
    ],
    [
      'a cut of pictures',
      { graph: { ...graph, more: { cut: 'parts' }, again: { run: 'name', on: 'more', apart: true } } },
      'graph: more cuts parts, which runs no network',
    ],
    [
      'a cut without boxes',
      { graph: { ...graph, more: { cut: 'kind' }, again: { run: 'name', on: 'more' } } },
      'graph: more cuts kind, whose network name finds no boxes',
    ],
    [
      'a turn by boxes',
      { graph: { ...graph, more: { turn: 'parts', by: 'things', label: 'x' }, again: { run: 'name', on: 'more', apart: true } } },
      'graph: more goes by things, whose network find ranks no classes (top-k)',
    ],
    [
      'a turn by another picture',
      {
        graph: {
          ...graph,
          whole: { run: 'name', on: 'picture' },
          more: { turn: 'parts', by: 'whole', label: 'x' },
          again: { run: 'name', on: 'more', apart: true },
        },
      },
      'graph: more goes by whole, which looks at other pictures than parts',
    ],
    [
      'two of a kind in one place',
      node('again', { run: 'name', on: 'parts' }),
      'graph: kind and again both find top of the same pictures; say "apart: true" in one of them',
    ],
    ['boxes apart', node('again', { run: 'find', on: 'parts', apart: true }), "graph: again finds boxes, which can't lie apart"],
    [
      'pictures three deep',
      {
        graph: {
          a: { run: 'find', on: 'picture' },
          b: { cut: 'a' },
          c: { run: 'find', on: 'b' },
          d: { cut: 'c' },
          e: { run: 'find', on: 'd' },
          f: { cut: 'e' },
          g: { run: 'name', on: 'f' },
        },
      },
      'graph: f cuts out of what was cut 2 times before; that is too deep',
    ],
    [
      'a wrong network',
      { networks: { ...networks, name: { ...namer, inputs: [{ ...input, shape: [1, 8, 8, 3] }] } } },
      'networks: name: preprocess makes FP32 [1,3,8,8], but input "x" takes FP32 [1,8,8,3]',
    ],
    [
      'a network of features',
      {
        networks: {
          ...networks,
          name: { ...namer, inputs: [{ ...input, shape: [1, 1] }], preprocess: [{ features: [{ name: 'a' }] }] },
        },
      },
      "networks: name: preprocess begins with features, and a graph's networks take pictures",
    ],
    [
      'two ways to decode',
      { networks: { ...networks, name: { ...namer, preprocess: [{ decode: { exif: 'ignore' } }, ...preprocess.slice(1)] } } },
      'networks: find and name decode the picture in two ways; exif, icc, alpha and cmyk must be the same',
    ],
  ])('%s makes no sense', (_what, change, sentence) => expect(problem(change)).toBe(sentence));

  test.each<[string, object]>([
    [
      'colours of its own',
      { networks: { ...networks, name: { ...namer, preprocess: [{ decode: { colour: 'bgr' } }, ...preprocess.slice(1)] } } },
    ],
    ['the same kind apart', node('again', { run: 'name', on: 'parts', apart: true })],
    ['the same kind elsewhere', node('whole', { run: 'name', on: 'picture' })],
    [
      'a condition on the whole picture',
      {
        graph: {
          look: { run: 'name', on: 'picture' },
          good: { only: 'picture', by: 'look', labels: ['a'] },
          things: { run: 'find', on: 'good' },
        },
      },
    ],
    [
      'a box in a box',
      {
        graph: {
          a: { run: 'find', on: 'picture' },
          b: { cut: 'a' },
          c: { run: 'find', on: 'b' },
          d: { cut: 'c' },
          e: { run: 'name', on: 'd' },
        },
      },
    ],
  ])('may have %s', (_what, change) => expect(problem(change)).toBeUndefined());
});

test('a quad is cut with a reference, and nothing else is', () => {
  const says = (node: object) => CutNode.safeParse({ cut: 'lines', ...node }).error?.issues.map(({ message }) => message);
  expect(says({ along: 'quad' })).toEqual(['a quad needs a reference, opencv-linear or opencv-cubic']);
  expect(says({ reference: 'opencv-cubic' })).toEqual(['only a quad is read between pixels']);
  expect(says({ along: 'quad', reference: 'opencv-linear' })).toBeUndefined();
});

test('nodes come after those that they need, in whatever order they are written', () => {
  const nodes = ReleaseFile.parse(written({ graph: Object.fromEntries(Object.entries(graph).toReversed()) })).graph!;
  expect(graphOrder(nodes)).toEqual({ order: ['things', 'parts', 'kind'] });
});

test('a free size makes a free dimension', () => {
  const free = (resize: object) =>
    problem({ networks: { ...networks, name: { ...namer, preprocess: [preprocess[0], { resize }, preprocess[2]] } } });
  expect(free({ width: 960, height: 960, fit: 'within', reference: 'opencv-linear' })).toContain('makes FP32 [1,3,-1,-1]');
  expect(free({ width: 960, height: 48, fit: 'height', reference: 'opencv-linear' })).toContain('makes FP32 [1,3,48,-1]');
});
