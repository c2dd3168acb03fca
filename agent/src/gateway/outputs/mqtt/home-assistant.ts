import type { Headline } from '../reading.js';

export type AnnouncedSlot = { device: string; slot: string; topic: string; statusTopic: string; prefix: string };
/** A retained message; an empty one takes it away. */
export type Announcement = { topic: string; payload: string };

const qualities = ['good', 'uncertain', 'drifting', 'stale', 'safe-mode'];
/** More than that is no sensor's list of values, and would swamp whoever reads it. */
const mostValues = 32;
/** Of a state in Home Assistant. */
const mostChars = 255;

/** What every slot has. */
export const slotSensors = (slot: AnnouncedSlot): Announcement[] => [
  sensor(slot, 'label', {
    name: 'Label',
    icon: 'mdi:tag-outline',
    value_template: `{{ value_json.label[:${mostChars}] if value_json.label is not none else none }}`,
    json_attributes_topic: slot.topic,
    json_attributes_template:
      "{{ {'quality': value_json.quality, 'reason': value_json.reason, 'sourceTime': value_json.sourceTime, 'release': value_json.release, 'inspection': value_json.inspection} | tojson }}",
  }),
  sensor(slot, 'confidence', {
    name: 'Confidence',
    icon: 'mdi:percent-circle-outline',
    value_template: '{{ value_json.confidence }}',
    state_class: 'measurement',
    suggested_display_precision: 3,
  }),
  sensor(slot, 'count', {
    name: 'Count',
    icon: 'mdi:counter',
    value_template: '{{ value_json.count }}',
    state_class: 'measurement',
  }),
  sensor(slot, 'quality', {
    name: 'Quality',
    icon: 'mdi:shield-check-outline',
    value_template: '{{ value_json.quality }}',
    device_class: 'enum',
    options: qualities,
    // It has most to say where values have nothing.
    availability: [online(slot)],
  }),
  sensor(slot, 'release', {
    name: 'Release',
    icon: 'mdi:package-variant-closed',
    state_topic: slot.statusTopic,
    value_template: '{{ value_json.release | default(none) }}',
    entity_category: 'diagnostic',
    availability: [online(slot)],
  }),
];

/** Measured values are known by name when the first one comes. */
export const valueSensors = (slot: AnnouncedSlot, values: Headline['values']): Announcement[] =>
  values.slice(0, mostValues).map(({ name, unit }) =>
    sensor(slot, `value-${idOf(name)}`, {
      name,
      value_template: `{{ value_json['values'][${JSON.stringify(name)}] }}`,
      state_class: 'measurement',
      ...(unit === undefined ? {} : { unit_of_measurement: unit }),
    }),
  );

export const withdrawn = (announced: Iterable<string>): Announcement[] => [...announced].map((topic) => ({ topic, payload: '' }));

function sensor(slot: AnnouncedSlot, object: string, its: object): Announcement {
  const { device, slot: name, topic, prefix } = slot;
  const id = `flotilla-${device}-${name}`;
  const payload = {
    unique_id: `${id}-${object}`,
    state_topic: topic,
    qos: 1,
    availability: [online(slot), usable(slot)],
    availability_mode: 'all',
    device: { identifiers: [id], name: `${device} ${name}`, manufacturer: 'Flotilla', model: 'slot' },
    origin: { name: 'Flotilla' },
    ...its,
  };
  return { topic: `${prefix}/sensor/${id}/${object}/config`, payload: JSON.stringify(payload) };
}

const online = ({ statusTopic }: AnnouncedSlot) => ({ topic: statusTopic, value_template: '{{ value_json.state }}' });

/** A value that is stale, or that no model stands behind, is not shown. */
const usable = ({ topic }: AnnouncedSlot) => ({
  topic,
  value_template: "{{ 'offline' if value_json.quality in ['stale', 'safe-mode'] else 'online' }}",
});

/** As Home Assistant takes it in a topic; two names may not become one. */
const idOf = (name: string) => (/^[A-Za-z0-9_-]{1,64}$/.test(name) ? name : `x${Buffer.from(name.slice(0, 64)).toString('hex')}`);
