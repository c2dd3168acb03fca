import {
  type CutNode,
  type Graph,
  type GraphNode,
  type Networks,
  type RunNode,
  graphOrder,
  needsOf,
  wholePicture,
} from './graph.js';
import { stepsOverTime } from './over-time.js';
import { type PostprocessStep, postprocessProblem } from './postprocess.js';
import { type Decode, type PreprocessStep, preprocessProblem, preprocessing, stepName } from './preprocess.js';
import { variantName } from './variant.js';

type Variant = Readonly<{
  file?: string | undefined;
  name?: string | undefined;
  files?: Readonly<Record<string, string>> | undefined;
}>;
/** As much of a release as a graph has to do with. */
export type OfGraph = Readonly<{
  inputs?: readonly unknown[];
  outputs?: readonly unknown[];
  preprocess?: readonly unknown[];
  postprocess?: readonly PostprocessStep[];
  constants?: unknown;
  recurrent?: unknown;
  networks?: Networks | undefined;
  graph?: Graph | undefined;
  variants: readonly Variant[];
  batching?: unknown;
}>;

/** Why a release of several networks makes no sense; undefined where it does, or has one network. */
export function graphProblem(release: OfGraph): string | undefined {
  const { networks, graph } = release;
  if (!networks || !graph) return variantsProblem(release, undefined);
  return (
    topProblem(release) ??
    variantsProblem(release, networks) ??
    networksProblem(networks) ??
    namesProblem(networks, graph) ??
    kindsProblem(networks, graph) ??
    resultsProblem(networks, graph)
  );
}

const listed = (names: Iterable<string>) => [...names].join(', ') || 'none';

function topProblem(release: OfGraph): string | undefined {
  const taken = (['inputs', 'outputs', 'preprocess'] as const).find((key) => (release[key] ?? []).length > 0);
  if (taken !== undefined) return `${taken} stands beside networks: each network has its own, under its name`;
  const fed = (['constants', 'recurrent'] as const).find((key) => release[key] !== undefined);
  if (fed !== undefined) return `${fed} stands beside networks, whose inputs are made by preprocess alone`;
  const lasting = lastingProblem(release.postprocess ?? []);
  if (lasting !== undefined) return lasting;
  return release.batching === undefined ? undefined : 'batching: a graph is computed picture by picture; leave it out';
}

/** What goes by all that the graph found. */
function lastingProblem(steps: readonly PostprocessStep[]): string | undefined {
  const other = steps.map(stepName).find((name) => !stepsOverTime.has(name));
  if (other !== undefined)
    return `postprocess stands beside networks and has ${other}: each network has its own, and only ${listed(stepsOverTime)} go by what all found`;
  const score = steps.flatMap((step) => ('hysteresis' in step ? [step.hysteresis.score] : []))[0];
  if (typeof score === 'object' && 'index' in score)
    return 'postprocess: hysteresis reads an output, and beside networks there are none; let it read a label, or anomaly';
  return postprocessProblem(steps, []);
}

function variantsProblem({ variants }: OfGraph, networks: Networks | undefined): string | undefined {
  for (const variant of variants) {
    const files = Object.keys(variant.files ?? {});
    const name = variantName(variant);
    if (!networks && variant.files) return `variants: ${name} names files of networks, and the release has no networks`;
    if (!networks) continue;
    const lacking = Object.keys(networks).filter((network) => !files.includes(network));
    if (lacking.length > 0) return `variants: ${name} names no file for ${listed(lacking)}`;
    const strange = files.find((file) => !(file in networks));
    if (strange !== undefined)
      return `variants: ${name} names a file for "${strange}"; the networks are ${listed(Object.keys(networks))}`;
  }
  return undefined;
}

function networksProblem(networks: Networks): string | undefined {
  for (const [name, { inputs, outputs, preprocess, postprocess }] of Object.entries(networks)) {
    const lasting = postprocess.map(stepName).find((step) => stepsOverTime.has(step));
    if (lasting !== undefined)
      return `networks: ${name}: ${lasting} remembers a stream; it goes by what all networks found, in postprocess beside networks`;
    const made = preprocessing(preprocess);
    const wrong =
      preprocessProblem(preprocess, inputs) ??
      (made && 'asked' in made && made.asked !== 'picture'
        ? `preprocess begins with ${stepName(preprocess[0]!)}, and a graph's networks take pictures`
        : undefined) ??
      aloneProblem([...preprocess, ...postprocess]) ??
      postprocessProblem(postprocess, outputs);
    if (wrong !== undefined) return `networks: ${name}: ${wrong}`;
  }
  return decodingProblem(networks);
}

function aloneProblem(steps: readonly object[]): string | undefined {
  const alone = steps.map(stepName).find((name) => name === 'tile' || stepsOverTime.has(name));
  return alone && `${alone} is for a release of one network`;
}

/** The colour alone is each network's own: the picture is decoded once. */
function decodingProblem(networks: Networks): string | undefined {
  const [first, ...others] = Object.entries(networks).flatMap(([name, { preprocess }]) =>
    decodeOf(preprocess).map((decode) => ({ name, text: JSON.stringify({ ...decode, colour: undefined }) })),
  );
  const other = others.find(({ text }) => text !== first!.text);
  return (
    other &&
    `networks: ${first!.name} and ${other.name} decode the picture in two ways; exif, icc, alpha and cmyk must be the same`
  );
}

const decodeOf = (steps: readonly PreprocessStep[]): Decode[] => steps.flatMap((step) => ('decode' in step ? [step.decode] : []));

function namesProblem(networks: Networks, graph: Graph): string | undefined {
  const nodes = Object.keys(graph);
  if (nodes.includes(wholePicture)) return `graph: ${wholePicture} is the name of the picture itself; name the node otherwise`;
  const known = new Set([wholePicture, ...nodes]);
  for (const [name, node] of Object.entries(graph)) {
    const stranger = needsOf(node).find((needed) => !known.has(needed));
    if (stranger !== undefined) return `graph: ${name} needs "${stranger}"; there are ${listed(known)}`;
    if ('run' in node && !(node.run in networks))
      return `graph: ${name} runs "${node.run}"; the networks are ${listed(Object.keys(networks))}`;
  }
  const order = graphOrder(graph);
  if ('circle' in order) return `graph: ${[...order.circle, order.circle[0]].join(' needs ')}: that goes round in a circle`;
  const used = new Set(Object.values(graph).flatMap((node) => ('run' in node ? [node.run] : [])));
  const idle = Object.keys(networks).find((network) => !used.has(network));
  if (idle !== undefined) return `graph: nothing runs the network ${idle}`;
  const needed = new Set(Object.values(graph).flatMap(needsOf));
  const pointless = nodes.find((name) => !('run' in graph[name]!) && !needed.has(name));
  return pointless && `graph: nothing is done with ${pointless}`;
}

function kindsProblem(networks: Networks, graph: Graph): string | undefined {
  for (const [name, node] of Object.entries(graph)) {
    const wrong =
      'run' in node
        ? picturesProblem(graph, node.on)
        : 'cut' in node
          ? cutProblem(networks, graph, node)
          : (picturesProblem(graph, 'turn' in node ? node.turn : node.only) ?? judgeProblem(networks, graph, node));
    if (wrong !== undefined) return `graph: ${name} ${wrong}`;
  }
  return undefined;
}

const picturesProblem = (graph: Graph, on: string) =>
  on !== wholePicture && 'run' in graph[on]!
    ? `takes pictures, and ${on} runs a network; cut its boxes out first ({ cut: ${on} })`
    : undefined;

function cutProblem(networks: Networks, graph: Graph, { cut }: CutNode): string | undefined {
  const source = cut === wholePicture ? undefined : graph[cut]!;
  if (!source || !('run' in source)) return `cuts ${cut}, which runs no network`;
  if (!findsOf(networks, source).includes('boxes')) return `cuts ${cut}, whose network ${source.run} finds no boxes`;
  return depthOf(graph, source.on) < mostDeep ? undefined : `cuts out of what was cut ${mostDeep} times before; that is too deep`;
}

/** Pictures within pictures: a person, and the face of it. */
const mostDeep = 2;

/** How often a node's pictures were cut. */
function depthOf(graph: Graph, name: string): number {
  const cut = cutBelow(graph, name);
  return cut === undefined ? 0 : 1 + depthOf(graph, (graph[(graph[cut] as CutNode).cut] as RunNode).on);
}

/** The cut that a node's pictures come from; undefined for the whole picture. */
function cutBelow(graph: Graph, name: string): string | undefined {
  if (name === wholePicture) return undefined;
  const node = graph[name]!;
  if ('cut' in node) return name;
  return cutBelow(graph, 'run' in node ? node.on : 'turn' in node ? node.turn : node.only);
}

function judgeProblem(networks: Networks, graph: Graph, node: Exclude<GraphNode, RunNode | CutNode>): string | undefined {
  const judge = node.by === wholePicture ? undefined : graph[node.by]!;
  if (!judge || !('run' in judge)) return `goes by ${node.by}, which runs no network`;
  if (!findsOf(networks, judge).includes('top')) return `goes by ${node.by}, whose network ${judge.run} ranks no classes (top-k)`;
  const of = 'turn' in node ? node.turn : node.only;
  return cutBelow(graph, of) === cutBelow(graph, node.by)
    ? undefined
    : `goes by ${node.by}, which looks at other pictures than ${of}`;
}

const kindOf: Readonly<Record<string, string>> = {
  'top-k': 'top',
  'multi-label': 'labels',
  'ssd-boxes': 'boxes',
  'yolo-boxes': 'boxes',
  'db-boxes': 'boxes',
  ctc: 'text',
  values: 'values',
  areas: 'areas',
  anomaly: 'anomaly',
};

const kindsOf = (steps: readonly PostprocessStep[]) => steps.flatMap((step) => kindOf[stepName(step)] ?? []);
const findsOf = (networks: Networks, { run }: RunNode) => kindsOf(networks[run]!.postprocess);

/** Two nodes that look at the same thing may not find the same kind, for it has one place. */
function resultsProblem(networks: Networks, graph: Graph): string | undefined {
  const taken = new Map<string, string>();
  for (const [name, node] of Object.entries(graph)) {
    if (!('run' in node)) continue;
    const kinds = findsOf(networks, node);
    if (kinds.length === 0) return `graph: ${name} runs ${node.run}, which finds nothing`;
    if (node.apart && kinds.includes('boxes')) return `graph: ${name} finds boxes, which can't lie apart`;
    if (node.apart) continue;
    const cut = cutBelow(graph, node.on);
    const place = cut === undefined ? wholePicture : (graph[cut] as CutNode).cut;
    for (const kind of kinds) {
      const other = taken.get(`${place} ${kind}`);
      if (other !== undefined)
        return `graph: ${other} and ${name} both find ${kind} of the same pictures; say "apart: true" in one of them`;
      taken.set(`${place} ${kind}`, name);
    }
  }
  return undefined;
}
