import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Message, NodeSession } from './node-session.js';
import type { MetricValue } from './slot-metrics.js';

type Step = {
  what: 'connect' | 'birth' | 'value' | 'add' | 'remove' | 'own' | 'death';
  device: string;
  name: string;
  value: number;
};
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('connect', 'birth', 'value', 'value', 'value', 'add', 'remove', 'own', 'death'),
  device: fc.constantFrom('a', 'b', 'c'),
  name: fc.constantFrom('x', 'y', 'z'),
  value: fc.integer({ min: 0, max: 3 }),
});
const metric = (name: string, value: number): MetricValue => ({ name, datatype: 'Int64', value, at: 1 });

/** All that it says when it is used as its output uses it. */
function play(steps: readonly Step[]): (Message | 'connect')[] {
  const session = new NodeSession({ group: 'g', node: 'n' });
  const said: (Message | 'connect')[] = [];
  const say = (...messages: (Message | undefined)[]) => said.push(...messages.filter((message) => message !== undefined));
  let number = 0;
  session.own([metric('own', 0)], 1);
  for (const { what, device: id, name, value } of steps) {
    const device = session.devices.get(id);
    if (what === 'connect') {
      session.connects(number++, 1);
      said.push('connect');
    } else if (what === 'birth') say(...session.births(1));
    else if (what === 'death') session.death(1);
    else if (what === 'own') say(session.own([metric('own', value)], 1));
    else if (what === 'add' && !device) {
      const added = session.add(id);
      if (session.isBorn) say(session.birthOf(added, 1));
    } else if (what === 'remove' && device) say(session.remove(device, 1));
    else if (what === 'value' && device) {
      const { changed, isNew } = device.take([metric(name, value)]);
      if (session.isBorn && isNew) say(session.birthOf(device, 1));
      else if (session.isBorn && changed.length > 0) say(session.data({ device, metrics: changed }, 1));
    }
  }
  return said;
}

it('numbers all that it says from its birth on, and gives no number to two metrics', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1000 }), (steps) => {
      let next: number | undefined;
      const aliases = new Map<number, string>();
      for (const message of play(steps)) {
        if (message === 'connect') continue;
        const { topic, payload } = message;
        const [, , verb, , device = ''] = topic.split('/');
        if (verb === 'NBIRTH') next = 0;
        expect(payload.seq).toBe(next);
        next = (next! + 1) % 256;
        for (const { name, alias } of payload.metrics) {
          if (alias === undefined) continue;
          const known = aliases.get(alias);
          if (name === undefined) expect(known?.startsWith(`${device}/`)).toBe(true);
          else if (known?.startsWith(`${device}/`)) expect(known).toBe(`${device}/${name}`);
          if (name !== undefined) aliases.set(alias, `${device}/${name}`);
        }
      }
    }),
    { numRuns: 200 },
  );
});

it('tells nothing but births before the birth of what it is of, and nothing of who is gone', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      let born = new Set<string>();
      for (const message of play(steps)) {
        if (message === 'connect') {
          born = new Set();
          continue;
        }
        const [, , verb, , device = ''] = message.topic.split('/');
        if (verb === 'NBIRTH') born = new Set(['']);
        else expect(born).toContain('');
        if (verb === 'DBIRTH') born.add(device);
        if (verb === 'DDATA' || verb === 'DDEATH') expect(born).toContain(device);
        if (verb === 'DDEATH') born.delete(device);
      }
    }),
  );
});
