import { beforeAll, describe, expect, it } from 'vitest';
import { Checks } from './fixtures/checks.js';
import { type Conversation, conversation } from './fixtures/conversation.js';

type Check = (checks: Checks) => void;

let heard: Conversation;
beforeAll(async () => {
  heard = await conversation();
});

const numbered: Check = (c) => c.birthIsNumberedAsWill();
const birthMqtt = (verb: string): [Check, ...string[]][] => {
  const its = verb.toLowerCase();
  return [
    [(c) => c.mqtt(verb), `topics-${its}-mqtt`],
    [(c) => c.stamped(verb), `topics-${its}-timestamp`, `payloads-${its}-timestamp`],
    [(c) => c.qos0(verb), `payloads-${its}-qos`],
    [(c) => c.notRetained(verb), `payloads-${its}-retain`],
  ];
};

/** What holds, by the specification's own names of its assertions (Sparkplug 3.0, `tck-id-…`). */
const holds: readonly [Check, ...string[]][] = [
  ...['NBIRTH', 'DBIRTH', 'NDATA', 'DDATA'].flatMap(birthMqtt),
  [(c) => c.mqtt('DDEATH'), 'topics-ddeath-mqtt'],
  [(c) => c.stamped('DDEATH'), 'payloads-ddeath-timestamp'],
  [(c) => c.stamped('NBIRTH', 'DBIRTH', 'NDATA', 'DDATA', 'DDEATH'), 'payloads-timestamp-in-UTC'],
  // Topics.
  [
    (c) => ['NBIRTH', 'NDATA', 'NDEATH'].forEach((verb) => c.topicOfNode(verb)),
    'topic-structure',
    'topic-structure-namespace-a',
    'topic-structure-namespace-device-id-non-associated-message-types',
  ],
  [
    (c) => ['DBIRTH', 'DDATA', 'DDEATH'].forEach((verb) => c.topicOfDevice(verb)),
    'topic-structure-namespace-device-id-associated-message-types',
    'topic-structure-namespace-unique-device-id',
  ],
  [(c) => c.topicOfNode('NBIRTH'), 'topics-nbirth-topic', 'message-flow-edge-node-birth-publish-nbirth-topic'],
  [(c) => c.topicOfNode('NDATA'), 'topics-ndata-topic'],
  [(c) => c.topicOfNode('NDEATH'), 'topics-ndeath-topic'],
  [
    (c) => c.topicOfDevice('DBIRTH'),
    'topics-dbirth-topic',
    'message-flow-device-birth-publish-dbirth-topic',
    'message-flow-device-birth-publish-dbirth-match-edge-node-topic',
  ],
  [(c) => c.topicOfDevice('DDATA'), 'topics-ddata-topic'],
  [(c) => c.topicOfDevice('DDEATH'), 'topics-ddeath-topic'],
  [(c) => c.subscribes('spBv1.0/plant/NCMD/cell'), 'message-flow-edge-node-ncmd-subscribe'],
  [(c) => c.subscribes('spBv1.0/plant/DCMD/cell/inspection'), 'message-flow-device-dcmd-subscribe'],
  [(c) => c.subscribes('spBv1.0/STATE/scada'), 'operational-behavior-primary-application-state-with-multiple-servers-state-subs'],
  // The connection and its will.
  [(c) => c.beginsClean(), 'principles-persistence-clean-session-311'],
  [
    (c) => c.will({ verb: 'NDEATH' }),
    'message-flow-edge-node-birth-publish-will-message',
    'payloads-ndeath-will-message',
    'message-flow-edge-node-birth-publish-will-message-payload',
  ],
  [(c) => c.will({ topic: 'spBv1.0/plant/NDEATH/cell' }), 'message-flow-edge-node-birth-publish-will-message-topic'],
  [(c) => c.will({ qos: 1 }), 'message-flow-edge-node-birth-publish-will-message-qos', 'payloads-ndeath-will-message-qos'],
  [
    (c) => c.will({ isRetained: false }),
    'message-flow-edge-node-birth-publish-will-message-will-retained',
    'payloads-ndeath-will-message-retain',
  ],
  [(c) => c.numbersRise(), 'topics-nbirth-bdseq-increment', 'message-flow-edge-node-birth-publish-will-message-payload-bdSeq'],
  [
    numbered,
    'topics-nbirth-bdseq-included',
    'topics-nbirth-bdseq-matching',
    'payloads-nbirth-bdseq',
    'payloads-nbirth-bdseq-repeat',
    'message-flow-edge-node-birth-publish-nbirth-payload-bdSeq',
    'operational-behavior-data-commands-rebirth-action-3',
  ],
  [(c) => c.deathIsNumberedAsWill(), 'payloads-ndeath-bdseq'],
  [(c) => c.deathHoldsNumberOnly(), 'topics-ndeath-payload'],
  [(c) => c.uncounted('NDEATH'), 'topics-ndeath-seq', 'payloads-ndeath-seq'],
  [
    (c) => c.saysDeathBeforeItLeaves(),
    'operational-behavior-edge-node-intentional-disconnect-ndeath',
    'operational-behavior-edge-node-intentional-disconnect-packet',
    'payloads-ndeath-will-message-publisher',
    'payloads-ndeath-will-message-publisher-disconnect-mqtt311',
  ],
  // Order and numbers.
  [(c) => c.birthComesFirst(), 'principles-birth-certificates-order', 'message-flow-device-birth-publish-nbirth-wait'],
  [(c) => c.birthComesFirst(), 'message-flow-edge-node-birth-publish-connect'],
  [(c) => c.birthsAreInARow(), 'payloads-dbirth-order', 'payloads-ndata-order', 'payloads-ddata-order'],
  [
    (c) => c.counted('NBIRTH'),
    'topics-nbirth-seq-num',
    'payloads-nbirth-seq',
    'payloads-sequence-num-req-nbirth',
    'message-flow-edge-node-birth-publish-nbirth-payload-seq',
  ],
  [
    (c) => c.counted('DBIRTH'),
    'topics-dbirth-seq',
    'payloads-dbirth-seq',
    'payloads-dbirth-seq-inc',
    'message-flow-device-birth-publish-dbirth-payload-seq',
  ],
  [(c) => c.counted('NDATA'), 'topics-ndata-seq-num', 'payloads-ndata-seq', 'payloads-ndata-seq-inc'],
  [(c) => c.counted('DDATA'), 'topics-ddata-seq-num', 'payloads-ddata-seq', 'payloads-ddata-seq-inc'],
  [
    (c) => c.counted('DDEATH'),
    'topics-ddeath-seq-num',
    'payloads-ddeath-seq',
    'payloads-ddeath-seq-inc',
    'payloads-ddeath-seq-number',
  ],
  [
    (c) => c.counted('NBIRTH', 'DBIRTH', 'NDATA', 'DDATA', 'DDEATH'),
    'payloads-sequence-num-always-included',
    'payloads-sequence-num-incrementing',
  ],
  // Metrics.
  [
    (c) => c.dataIsNamedInBirths(),
    'topics-nbirth-metric-reqs',
    'topics-dbirth-metric-reqs',
    'operational-behavior-data-publish-nbirth',
    'operational-behavior-data-publish-dbirth',
  ],
  [(c) => c.complete('NBIRTH'), 'topics-nbirth-metrics', 'message-flow-edge-node-birth-publish-nbirth-payload'],
  [(c) => c.complete('DBIRTH'), 'topics-dbirth-metrics', 'message-flow-device-birth-publish-dbirth-payload'],
  [(c) => c.nullHasNoValue('NBIRTH'), 'operational-behavior-data-publish-nbirth-values'],
  [(c) => c.nullHasNoValue('DBIRTH'), 'operational-behavior-data-publish-dbirth-values'],
  [
    (c) => c.changesOnly('DDATA'),
    'principles-rbe-recommended',
    'topics-ddata-payload',
    'operational-behavior-data-publish-dbirth-change',
  ],
  [(c) => c.changesOnly('NDATA'), 'topics-ndata-payload', 'operational-behavior-data-publish-nbirth-change'],
  [(c) => c.chronological('NBIRTH', 'NDATA'), 'operational-behavior-data-publish-nbirth-order'],
  [(c) => c.chronological('DBIRTH', 'DDATA'), 'operational-behavior-data-publish-dbirth-order'],
  [(c) => c.aliased(), 'payloads-name-requirement', 'payloads-alias-birth-requirement'],
  [(c) => c.aliasesAreUnique(), 'payloads-alias-uniqueness'],
  [(c) => c.dataHasNoNames(), 'payloads-alias-data-cmd-requirement'],
  [(c) => c.metricsAreStamped(), 'payloads-name-birth-data-requirement', 'payloads-metric-timestamp-in-UTC'],
  [
    (c) => c.typed('NBIRTH', 'DBIRTH'),
    'payloads-metric-datatype-req',
    'payloads-metric-datatype-value',
    'payloads-metric-datatype-value-type',
  ],
  [(c) => c.untyped('NDATA', 'DDATA'), 'payloads-metric-datatype-not-req'],
  [(c) => c.namesDifferInMoreThanCase(), 'case-sensitivity-metric-names'],
  [(c) => c.keysHaveValues(), 'payloads-propertyset-keys-array-size', 'payloads-propertyset-values-array-size'],
  [
    (c) => c.propertiesAreTyped(),
    'payloads-metric-propertyvalue-type-type',
    'payloads-metric-propertyvalue-type-value',
    'payloads-metric-propertyvalue-type-req',
  ],
  [(c) => c.qualityIsTyped(), 'payloads-propertyset-quality-value-type'],
  [(c) => c.qualityIsOneOfThree(), 'payloads-propertyset-quality-value-value'],
  // Rebirth.
  [
    (c) => c.rebirthMetric(),
    'topics-nbirth-rebirth-metric',
    'payloads-nbirth-rebirth-req',
    'operational-behavior-data-commands-rebirth-name',
    'operational-behavior-data-commands-rebirth-datatype',
    'operational-behavior-data-commands-rebirth-value',
  ],
  [(c) => c.rebirthHasNoAlias(), 'operational-behavior-data-commands-rebirth-name-aliases'],
  [
    (c) => c.isBornAgain(),
    'operational-behavior-data-commands-rebirth-action-1',
    'operational-behavior-data-commands-rebirth-action-2',
  ],
  [(c) => c.tellsWhoGoes(), 'operational-behavior-device-ddeath'],
  // The primary host.
  [
    (c) => c.waitsForHost(),
    'message-flow-edge-node-birth-publish-phid-wait',
    'message-flow-edge-node-birth-publish-phid-wait-id',
    'message-flow-edge-node-birth-publish-phid-wait-online',
    'operational-behavior-edge-node-birth-sequence-wait',
  ],
  [
    (c) => c.leavesWithItsHost(),
    'message-flow-edge-node-birth-publish-phid-offline',
    'operational-behavior-edge-node-termination-host-offline',
  ],
  [
    (c) => c.staysForAnOlderWord(),
    'message-flow-edge-node-birth-publish-phid-wait-timestamp',
    'operational-behavior-edge-node-termination-host-offline-timestamp',
  ],
  [(c) => c.qos0('NBIRTH'), 'message-flow-edge-node-birth-publish-nbirth-qos'],
  [(c) => c.notRetained('NBIRTH'), 'message-flow-edge-node-birth-publish-nbirth-retained'],
  [(c) => c.qos0('DBIRTH'), 'message-flow-device-birth-publish-dbirth-qos'],
  [(c) => c.notRetained('DBIRTH'), 'message-flow-device-birth-publish-dbirth-retained'],
];

describe.each(holds.flatMap(([check, ...ids]) => ids.map((id) => [id, check] as const)))('Sparkplug 3.0', (id, check) => {
  it(`tck-id-${id}`, () => check(new Checks(heard)));
});

it('is known by each assertion once', () => {
  const ids = holds.flatMap(([, ...its]) => its);
  expect(new Set(ids).size).toBe(ids.length);
});
