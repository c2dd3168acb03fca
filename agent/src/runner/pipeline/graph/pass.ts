import { type CutNode, type Graph, type GraphNode, graphOrder, wholePicture } from '@flotilla/protocol/device';
import type { EngineRun } from '../../engine/engine.js';
import type { Findings } from '../../../prediction.js';
import type { Tensor } from '../../tensor.js';
import { chosen, cutOut } from './cut.js';
import type { OpenNetwork } from './network.js';
import { add, placed } from './placed.js';
import { type Scene, turned } from './scene.js';

/** `at`: the places of the boxes, one within the other, that it was cut out of. */
type Item = { at: readonly number[]; scene: Scene };
type Found = Item & { findings: Findings };

type Compute = (inputs: readonly Tensor[], network: string) => Promise<EngineRun>;
type Passed = { findings: Findings; wallUs: number; cpuUs: number };

/** One picture through the whole graph. The times are the networks' own. */
export class Pass {
  readonly #pictures = new Map<string, readonly Item[]>();
  readonly #found = new Map<string, readonly Found[]>();
  readonly #whole: Findings = {};
  readonly #times = { wallUs: 0, cpuUs: 0 };

  constructor(
    private readonly networks: ReadonlyMap<string, OpenNetwork>,
    private readonly compute: Compute,
  ) {}

  async through(graph: Graph, whole: Scene): Promise<Passed> {
    this.#pictures.set(wholePicture, [{ at: [], scene: whole }]);
    for (const name of orderOf(graph)) await this.#do(name, graph[name]!);
    return { findings: this.#whole, ...this.#times };
  }

  async #do(name: string, node: GraphNode): Promise<void> {
    if ('run' in node) {
      const found: Found[] = [];
      for (const item of this.#picturesOf(node.on)) found.push(await this.#run(node.run, item));
      this.#found.set(name, found);
      const apart = node.apart ? name : undefined;
      for (const { at, scene, findings } of found) add(this.#whole, at, placed(findings, scene.toWhole), apart);
    } else if ('cut' in node)
      this.#pictures.set(
        name,
        this.#foundBy(node.cut).flatMap((found) => cutItems(found, node)),
      );
    else if ('turn' in node) {
      const says = this.#judge(node.by, [node.label], node.least);
      const turn = (item: Item) => (says(item) ? { ...item, scene: turned(item.scene, node.degrees) } : item);
      this.#pictures.set(name, this.#picturesOf(node.turn).map(turn));
    } else {
      const says = this.#judge(node.by, node.labels, node.least);
      this.#pictures.set(name, this.#picturesOf(node.only).filter(says));
    }
  }

  async #run(network: string, item: Item): Promise<Found> {
    const open = this.networks.get(network)!;
    const { tensor, view } = await open.prepare(item.scene);
    const run = await this.compute([tensor], network);
    open.computed(run);
    this.#times.wallUs += run.wallUs;
    this.#times.cpuUs += run.cpuUs;
    return { ...item, findings: open.find(run.outputs, view) };
  }

  /** Whether a classifier put a picture under one of the labels; a picture that it never saw, it did not. */
  #judge(by: string, labels: readonly string[], least: number): (item: Item) => boolean {
    const verdicts = new Map(this.#foundBy(by).map(({ at, findings }) => [at.join(), findings.top?.[0]]));
    return ({ at }) => {
      const best = verdicts.get(at.join());
      return best !== undefined && labels.includes(best.label) && best.score >= least;
    };
  }

  #picturesOf(name: string): readonly Item[] {
    return this.#pictures.get(name) ?? [];
  }

  #foundBy(name: string): readonly Found[] {
    return this.#found.get(name) ?? [];
  }
}

function cutItems({ at, scene, findings: { boxes = [] } }: Found, node: CutNode): Item[] {
  return chosen(boxes, node).flatMap((i) => {
    const cut = cutOut(scene, boxes[i]!, node);
    return cut ? [{ at: [...at, i], scene: cut }] : [];
  });
}

function orderOf(graph: Graph): string[] {
  const order = graphOrder(graph);
  if ('circle' in order) throw new Error(`the graph goes round in a circle: ${order.circle.join(', ')}`);
  return order.order;
}
