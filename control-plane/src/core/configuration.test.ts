import { describe, expect, it } from 'vitest';
import { effectiveOf, inWords, type Layer, slotsOf } from './configuration.js';

const folder = (directory: string) => ({ source: { directory } });
const layer = (scope: Layer['scope'], name: string, slots: Layer['slots'], priority = 0): Layer => ({
  scope,
  name,
  version: 1,
  priority,
  slots,
});
const slots = (...layers: Layer[]) => slotsOf(effectiveOf(layers));

describe('what a device is to do', () => {
  it('is nothing where nobody says anything', () => expect(effectiveOf([])).toEqual({ sections: [], conflicts: [] }));

  it('is what its own document says, over any group', () =>
    expect(slots(layer('group', 'a', { label: folder('group') }, 1000), layer('device', 'd', { label: folder('own') }))).toEqual({
      label: folder('own'),
    }));

  it('is decided section by section, so that a crop for one device leaves it the source of its group', () =>
    expect(
      slots(
        layer('device', 'd', { label: { pipeline: { minScore: 0.7 } } }),
        layer('group', 'a', { label: { ...folder('group'), pipeline: { minScore: 0.5 } }, door: folder('door') }),
      ),
    ).toEqual({ label: { ...folder('group'), pipeline: { minScore: 0.7 } }, door: folder('door') }));

  it('is what the group with the higher priority says, without a conflict', () => {
    const both = [layer('group', 'a', { label: folder('a') }), layer('group', 'b', { label: folder('b') }, 1)];
    expect(effectiveOf(both)).toMatchObject({ sections: [{ value: { directory: 'b' }, from: { name: 'b' } }], conflicts: [] });
  });

  it('is what the first group by name says where priorities are equal, and the conflict is told', () => {
    const both = [layer('group', 'b', { label: folder('b') }), layer('group', 'a', { label: folder('a') })];
    const { sections, conflicts } = effectiveOf(both);
    expect(sections).toMatchObject([{ from: { name: 'a' } }]);
    expect(conflicts.map(inWords)).toEqual([
      'group/a and group/b both say slots.label.source with priority 0; group/a is obeyed, as the first by name: give one of them a higher priority',
    ]);
  });

  it.each<[string, Layer[]]>([
    ['who say the same', [layer('group', 'a', { x: folder('f') }), layer('group', 'b', { x: folder('f') })]],
    [
      'where the device has its own word',
      [
        layer('group', 'a', { x: folder('a') }),
        layer('group', 'b', { x: folder('b') }),
        layer('device', 'd', { x: folder('d') }),
      ],
    ],
    [
      'about different sections',
      [layer('group', 'a', { x: folder('a') }), layer('group', 'b', { x: { trigger: { everyS: 1 } } })],
    ],
  ])('has no conflict between groups %s', (_which, layers) => expect(effectiveOf(layers).conflicts).toEqual([]));
});
