import { DeviceId, RolloutPlan, type PlanStage } from '@flotilla/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignStages, type Member } from './cohort.js';

const stage = (written: object): PlanStage => RolloutPlan.shape.stages.element.parse(written);
const fleet = (n: number): Member[] =>
  Array.from({ length: n }, (_, i) => ({
    device: DeviceId.parse(`d${i}`),
    profile: i % 3 ? 'generic-x64' : 'raspberry-pi-5',
    site: i % 2 ? 'lyon' : undefined,
  }));
const sizes = (members: Member[], stages: PlanStage[], salt = 's') => {
  const map = assignStages(members, stages, salt, (selector, device) => selector === device);
  return stages.map((_, i) => [...map.values()].filter((s) => s === i).length);
};

describe('stages', () => {
  const first = stage({ name: 'a', count: 1 });
  const rest = stage({ name: 'rest', percent: 100 });
  it('take so many, then the rest', () =>
    expect(sizes(fleet(6), [first, stage({ name: 'b', count: 2 }), rest])).toEqual([1, 2, 3]));
  it('read percent as cumulative and round up', () =>
    expect(sizes(fleet(6), [stage({ name: 'a', percent: 1 }), stage({ name: 'b', percent: 50 }), rest])).toEqual([1, 2, 3]));
  it('grow by a factor over those before', () =>
    expect(
      sizes(fleet(20), [
        stage({ name: 'a', growth: 3 }),
        stage({ name: 'b', growth: 3 }),
        stage({ name: 'c', growth: 1.5 }),
        rest,
      ]),
    ).toEqual([1, 3, 6, 10]));
  it('take whom a selector names', () => {
    const map = assignStages(
      fleet(6),
      [stage({ name: 'canary', devices: 'd4' }), rest],
      's',
      (selector, device) => selector === device,
    );
    expect(map.get(DeviceId.parse('d4'))).toBe(0);
    expect([...map.values()].filter((s) => s === 0)).toHaveLength(1);
  });
  it('leave a device out that none takes', () => expect(assignStages(fleet(6), [first], 's', () => false).size).toBe(1));
  it('meet every kind of board and site early', () => {
    const map = assignStages(fleet(60), [stage({ name: 'a', count: 4 }), rest], 's', () => false);
    const early = fleet(60).filter((m) => map.get(m.device) === 0);
    expect(new Set(early.map((m) => `${m.profile} ${m.site}`)).size).toBe(4);
  });
  it('are the same for the same salt, and others for another', () => {
    const pick = (salt: string) =>
      [...assignStages(fleet(40), [stage({ name: 'a', count: 8 })], salt, () => false).keys()].toSorted();
    expect(pick('one')).toEqual(pick('one'));
    expect(pick('one')).not.toEqual(pick('two'));
  });
  it('place every device once when the last stage takes all', () =>
    fc.assert(
      fc.property(fc.nat({ max: 50 }), fc.string(), (n, salt) => {
        const placed = sizes(fleet(n), [first, stage({ name: 'b', percent: 30 }), rest], salt);
        expect(placed.reduce((a, b) => a + b, 0)).toBe(n);
      }),
    ));
});
