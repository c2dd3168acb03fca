import type { SlotPipeline } from '@flotilla/protocol/device';
import { describe, expect, it } from 'vitest';
import { accept, effective, nothingAccepted, type Accepted, type Device } from './gateway-configuration.js';

const folder = (directory: string) => ({ directory, perSecond: 1, then: 'keep' as const });
const local: Record<string, SlotPipeline> = {
  label: { source: folder('/local'), trigger: { api: true, timeoutMs: 5000 } },
  door: {},
};
/** Takes all but what says so. */
const device: Device = {
  accept: true,
  slots: local,
  judge: (_slot, written) => {
    const { source } = written as { source?: { directory: string } };
    return source?.directory === '/forbidden' ? { refused: 'not open' } : { pipeline: written as SlotPipeline };
  },
};
const sent = (epoch: number, slots: Record<string, unknown>) => ({ epoch, gateway: { v: 1, slots } });
const play = (...states: { epoch: number; gateway: unknown }[]) =>
  states.reduce((before, state) => accept(before.accepted, state, device), {
    accepted: nothingAccepted,
    refused: [],
  } as ReturnType<typeof accept>);
const inForce = (accepted: Accepted, its = device) => effective(accepted, its).slots;

describe('what a gateway goes by', () => {
  it('is agent.yaml where nothing was sent', () =>
    expect(effective(nothingAccepted, device)).toEqual({
      slots: { label: { ...local['label'], from: { source: 'agent.yaml', trigger: 'agent.yaml' } }, door: { from: {} } },
      refused: [],
    }));

  it('is, section by section, what the desired state says over what agent.yaml says', () => {
    const { accepted, refused } = play(sent(3, { label: { source: folder('/sent'), pipeline: { minScore: 0.5 } } }));
    expect(refused).toEqual([]);
    expect(inForce(accepted)['label']).toEqual({
      source: folder('/sent'),
      trigger: local['label']!.trigger,
      pipeline: { minScore: 0.5 },
      from: { source: 'desired state, epoch 3', trigger: 'agent.yaml', pipeline: 'desired state, epoch 3' },
    });
  });

  it('names the epoch that brought a section, not those that left it as it was', () => {
    const first = sent(3, { label: { source: folder('/a'), pipeline: { minScore: 0.5 } } });
    const { accepted } = play(
      first,
      { ...first, epoch: 4 },
      sent(5, { label: { source: folder('/a'), pipeline: { minScore: 0.6 } } }),
    );
    expect(inForce(accepted)['label']!.from).toMatchObject({
      source: 'desired state, epoch 3',
      pipeline: 'desired state, epoch 5',
    });
    expect(play(first, { ...first, epoch: 4 }).accepted.epoch).toBe(3);
  });

  it('is agent.yaml again when the configuration is taken back', () => {
    const { accepted } = play(sent(3, { label: { source: folder('/a') } }), { epoch: 4, gateway: undefined });
    expect(accepted).toEqual({ epoch: 4, slots: {} });
    expect(inForce(accepted)['label']!.source).toEqual(folder('/local'));
  });

  it('is agent.yaml alone where that refuses, which is told; and the rest as soon as it no longer does', () => {
    const { accepted } = play(sent(3, { label: { source: folder('/a') } }));
    const refusing = { ...device, accept: false };
    expect(inForce(accepted, refusing)['label']!.source).toEqual(folder('/local'));
    expect(effective(accepted, refusing).refused).toEqual([{ reason: 'agent.yaml says "remoteConfiguration: refuse"' }]);
    expect(effective(nothingAccepted, refusing).refused).toEqual([]);
    expect(inForce(accepted)['label']!.source).toEqual(folder('/a'));
  });
});

describe('a part that is refused', () => {
  const good = sent(3, { label: { source: folder('/a') }, door: { source: folder('/d') } });

  it('leaves its slot what was in force, and costs the other slots nothing', () => {
    const { accepted, refused } = play(
      good,
      sent(4, { label: { source: folder('/forbidden') }, door: { source: folder('/e') } }),
    );
    expect(refused).toEqual([{ slot: 'label', reason: 'not open; what was in force stays' }]);
    expect(inForce(accepted)).toMatchObject({ label: { source: folder('/a') }, door: { source: folder('/e') } });
  });

  it('falls back to agent.yaml where nothing else was in force', () => {
    const { accepted, refused } = play(sent(4, { label: { source: folder('/forbidden') } }));
    expect(refused).toEqual([{ slot: 'label', reason: 'not open' }]);
    expect(inForce(accepted)['label']!.source).toEqual(folder('/local'));
  });

  it('may be for a slot that is not there', () =>
    expect(play(sent(3, { lable: { source: folder('/a') } })).refused).toEqual([
      { slot: 'lable', reason: 'this device has no such slot; its slots are: label, door' },
    ]));

  it('may be for a device that has no slot at all', () =>
    expect(accept(nothingAccepted, sent(3, { label: {} }), { ...device, slots: {} }).refused).toEqual([
      { slot: 'label', reason: 'this device has no such slot; its slots are: none' },
    ]));

  it.each<[string, unknown, string]>([
    ['of a later version', { v: 9, lanes: [] }, 'it is of a later version than this agent can read; what was in force stays'],
    ['that is no document', 'x', 'it is of a later version than this agent can read; what was in force stays'],
    ['held back', { v: 1, withheld: 'too large' }, 'the control plane holds it back: too large; what was in force stays'],
  ])('may be a whole document %s: all stays', (_what, gateway, reason) => {
    const { accepted, refused } = play(good, { epoch: 4, gateway });
    expect(refused).toEqual([{ reason }]);
    expect(inForce(accepted)).toEqual(inForce(play(good).accepted));
    expect(accepted.epoch).toBe(4);
  });

  it('that was accepted once is refused when the device no longer allows it', () => {
    const { accepted } = play(good);
    const { slots, refused } = effective(accepted, { ...device, judge: () => ({ refused: 'closed' }) });
    expect(slots['label']!.source).toEqual(folder('/local'));
    expect(refused).toEqual([
      { slot: 'label', reason: 'closed' },
      { slot: 'door', reason: 'closed' },
    ]);
  });
});
