import { expect, test } from 'vitest';
import { EdgeNode } from './edge-node.js';
import type { Message } from './node-session.js';
import type { MetricValue } from './slot-metrics.js';

function aNode() {
  let now = 1000;
  const said: Message[] = [];
  const node = new EdgeNode({ group: 'plant', node: 'cell' }, () => now);
  const seen = (value: string): MetricValue[] => [{ name: 'Class', datatype: 'String', value, at: now }];
  const device = node.add('press', seen('first'));
  node.session.connects(1, now);
  node.begin((message, onRoom) => {
    said.push(message);
    onRoom();
  });
  return {
    node,
    sees: (label: string) => node.take(device, seen(label)),
    pass: (ms: number) => (now += ms),
    told: () => said.splice(0).map(({ topic, payload }) => `${topic.split('/')[2]} ${payload.metrics.map(brief).join()}`.trim()),
  };
}
const brief = ({ value, isHistorical }: Message['payload']['metrics'][number]) =>
  `${String(value)}${isHistorical ? ' before' : ''}`;

test('a wish for a birth is answered at once, right after the first birth, too', () => {
  const { node, told } = aNode();
  expect(told()).toEqual(['NBIRTH 1,false', 'DBIRTH first']);
  node.bearAgain();
  expect(told()).toEqual(['NBIRTH 1,false', 'DBIRTH first']);
});

test('wishes that come in a row share a birth, and until then no data is told', () => {
  const { node, sees, pass, told } = aNode();
  node.bearAgain();
  told();
  for (let i = 0; i < 10; i++) node.bearAgain();
  sees('second');
  sees('third');
  node.own([{ name: 'Output/Dropped', datatype: 'Int64', value: 1, at: 1000 }]);
  pass(999);
  node.tick();
  expect(told()).toEqual([]);
  pass(1);
  node.tick();
  expect(told()).toEqual(['NBIRTH 1,false', 'DBIRTH third', 'DDATA second before,third before']);
  sees('fourth');
  expect(told()).toEqual(['DDATA fourth']);
});
