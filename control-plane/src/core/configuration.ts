import { canonicalJson, type ConfigurationOrigin, sectionNames, type WrittenPipeline } from '@flotilla/protocol';

/** A document that reaches a device. */
export type Layer = ConfigurationOrigin & { priority: number; slots: Readonly<Record<string, WrittenPipeline>> };
export type Section = { slot: string; section: string; value: unknown; from: Layer };
/** `loser` says something else than `winner`, and nobody has decided between them. */
export type Conflict = { slot: string; section: string; winner: Layer; loser: Layer };
export type Effective = { sections: Section[]; conflicts: Conflict[] };

/** Per slot and section: the device's own word, else that of its group with the highest priority, else the first by name. */
export function effectiveOf(layers: readonly Layer[]): Effective {
  const ranked = layers.toSorted(byRank);
  const slots = [...new Set(ranked.flatMap((layer) => Object.keys(layer.slots)))].toSorted();
  const said = slots.flatMap((slot) => sectionNames.map((section) => ({ slot, section, by: saying(ranked, slot, section) })));
  return {
    sections: said.flatMap(({ slot, section, by: [first] }) => (first ? [{ slot, section, ...first }] : [])),
    conflicts: said.flatMap(({ slot, section, by: [first, ...others] }) =>
      others
        .filter((other) => first && disagree(first, other))
        .map(({ from }) => ({ slot, section, winner: first!.from, loser: from })),
    ),
  };
}

/** By slot, as it travels. */
export function slotsOf({ sections }: Pick<Effective, 'sections'>): Record<string, Record<string, unknown>> {
  const slots: Record<string, Record<string, unknown>> = {};
  for (const { slot, section, value } of sections) (slots[slot] ??= {})[section] = value;
  return slots;
}

export const nameOf = ({ scope, name }: Pick<Layer, 'scope' | 'name'>) => `${scope}/${name}`;

export const inWords = ({ slot, section, winner, loser }: Conflict) =>
  `${nameOf(winner)} and ${nameOf(loser)} both say slots.${slot}.${section} with priority ${winner.priority}; ${nameOf(winner)} is obeyed, as the first by name: give one of them a higher priority`;

type Saying = { value: unknown; from: Layer };

const saying = (ranked: readonly Layer[], slot: string, section: (typeof sectionNames)[number]): Saying[] =>
  ranked.flatMap((from) => {
    const value = from.slots[slot]?.[section];
    return value === undefined ? [] : [{ value, from }];
  });

const disagree = (a: Saying, b: Saying) =>
  a.from.scope === 'group' &&
  b.from.scope === 'group' &&
  a.from.priority === b.from.priority &&
  canonicalJson(a.value) !== canonicalJson(b.value);

function byRank(a: Layer, b: Layer): number {
  if (a.scope !== b.scope) return a.scope === 'device' ? -1 : 1;
  return b.priority - a.priority || (a.name < b.name ? -1 : 1);
}
