import { z } from 'zod';
import { InputSignature } from './example.js';
import { PostprocessStep } from './postprocess.js';
import { PreprocessStep } from './preprocess.js';
import { TensorSignature } from './tensors.js';

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a word of small letters, digits and "-" that begins with a letter, 32 at most');
const label = z.string().min(1).max(128);
const fraction = z.number().min(0).max(1);
const strictly = z.strictObject;

/** One of a release's networks, with what lies around it. */
export const Network = strictly({
  inputs: z.array(InputSignature).min(1).max(32),
  outputs: z.array(TensorSignature).min(1).max(32),
  preprocess: z.array(PreprocessStep).min(1).max(16),
  postprocess: z.array(PostprocessStep).min(1).max(16),
}).meta({ id: 'Network' });
export type Network = z.infer<typeof Network>;
/** By name. */
export const Networks = z.record(name, Network);
export type Networks = z.infer<typeof Networks>;

/** A network on a picture, or on each of several. `apart`: what it finds goes by this node's name, beside others of its kind. */
export const RunNode = strictly({ run: name, on: name, apart: z.boolean().optional() });
export type RunNode = z.infer<typeof RunNode>;

/** The boxes that a network found, each as a picture of its own. */
export const CutNode = strictly({
  cut: name,
  /** `quad`: along its four corners, made rectangular as cv2.warpPerspective does; `box`: the upright box around it, pixels as they are. */
  along: z.enum(['box', 'quad']).default('box'),
  /** How a quad's pixels are read; resizers differ, so that there is no default. */
  reference: z.enum(['opencv-linear', 'opencv-cubic']).optional(),
  /** Added on each side, in parts of the box's own width and height. */
  pad: z.number().min(0).max(2).default(0),
  /** Boxes with one of these labels. */
  only: z.array(label).min(1).max(1000).optional(),
  least: fraction.default(0),
  /** The best of them. */
  most: z.int().min(1).max(1000).default(64),
  /** From this height in widths on, a picture is turned by a quarter, counter-clockwise: text from the top down. */
  turnTall: z.number().gt(1).max(100).optional(),
}).check(({ value: { along, reference }, issues }) => {
  const message =
    along === 'quad' ? 'a quad needs a reference, opencv-linear or opencv-cubic' : 'only a quad is read between pixels';
  if ((along === 'quad') !== (reference !== undefined))
    issues.push({ code: 'custom', path: ['reference'], message, input: reference });
});
export type CutNode = z.infer<typeof CutNode>;

/** Those pictures turned, clockwise, of which a classifier says so. */
export const TurnNode = strictly({
  turn: name,
  by: name,
  label,
  least: fraction.default(0),
  degrees: z.union([z.literal(90), z.literal(180), z.literal(270)]).default(180),
});
export type TurnNode = z.infer<typeof TurnNode>;

/** Those pictures alone that a classifier puts under one of the labels. */
export const OnlyNode = strictly({ only: name, by: name, labels: z.array(label).min(1).max(1000), least: fraction.default(0) });
export type OnlyNode = z.infer<typeof OnlyNode>;

export const GraphNode = z.union([RunNode, CutNode, TurnNode, OnlyNode]).meta({ id: 'GraphNode' });
export type GraphNode = z.infer<typeof GraphNode>;
/** By name; in which order they stand says nothing. `picture` is the one that the release is asked with. */
export const Graph = z.record(name, GraphNode);
export type Graph = z.infer<typeof Graph>;

/** The nodes whose result a node needs. */
export function needsOf(node: GraphNode): string[] {
  if ('run' in node) return [node.on];
  if ('cut' in node) return [node.cut];
  return 'turn' in node ? [node.turn, node.by] : [node.only, node.by];
}

export const wholePicture = 'picture';

/** Each node after those that it needs; or the names of some that wait for one another. */
export function graphOrder(graph: Graph): { order: string[] } | { circle: string[] } {
  const order: string[] = [];
  const waiting = new Set(Object.keys(graph).toSorted());
  const isThere = (needed: string) => !waiting.has(needed);
  while (waiting.size > 0) {
    const next = [...waiting].find((candidate) => needsOf(graph[candidate]!).every(isThere));
    if (next === undefined) return { circle: circleIn(graph, waiting) };
    waiting.delete(next);
    order.push(next);
  }
  return { order };
}

/** All that wait need one that waits: following them comes round. */
function circleIn(graph: Graph, waiting: ReadonlySet<string>): string[] {
  const path: string[] = [];
  let at = [...waiting].find(Boolean);
  while (at !== undefined && !path.includes(at)) {
    path.push(at);
    at = needsOf(graph[at]!).find((needed) => waiting.has(needed));
  }
  return path.slice(path.indexOf(at!));
}
