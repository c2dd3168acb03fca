import { describe, expect, it, test } from 'vitest';
import { type Announcement, slotSensors, valueSensors, withdrawn } from './home-assistant.js';

const slot = { device: 'press-1', slot: 'inspection', topic: 'line3/a', statusTopic: 'line3/a/status', prefix: 'homeassistant' };
const values = [
  { name: 'width', value: 2.5, unit: 'mm' },
  { name: 'ratio', value: 1 },
  { name: 'Öffnung "links"', value: 1 },
];
type Config = Record<string, unknown> & { availability: { topic: string; value_template: string }[] };
const parsed = ({ payload }: Announcement) => JSON.parse(payload) as Config;
const all = [...slotSensors(slot), ...valueSensors(slot, values)];

/** Of an MQTT sensor, as Home Assistant documents them. */
const documented = new Set(
  `availability availability_mode device device_class enabled_by_default entity_category expire_after force_update icon
   json_attributes_template json_attributes_topic name options origin qos state_class state_topic suggested_display_precision
   unique_id unit_of_measurement value_template`.split(/\s+/),
);

describe('each sensor that is announced', () => {
  test.each(all.map((each) => [each.topic, each] as const))('%s', (topic, announcement) => {
    const config = parsed(announcement);
    // <prefix>/<component>/<node>/<object>/config
    expect(topic).toMatch(/^homeassistant\/sensor\/[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+\/config$/);
    expect(Object.keys(config).filter((key) => !documented.has(key))).toEqual([]);
    expect(config).toMatchObject({
      unique_id: expect.any(String),
      state_topic: expect.stringMatching(/^line3\/a(\/status)?$/),
      value_template: expect.stringMatching(/^\{\{ .+ \}\}$/),
      device: { identifiers: ['flotilla-press-1-inspection'] },
      availability: expect.arrayContaining([expect.objectContaining({ topic: 'line3/a/status' })]),
    });
  });

  it('has a name of its own', () => {
    const ids = all.map((each) => parsed(each)['unique_id']);
    expect(new Set(ids).size).toBe(all.length);
    expect(new Set(all.map(({ topic }) => topic)).size).toBe(all.length);
  });

  it('of a value is shown only while somebody stands behind it, and that of the quality always', () => {
    const looksAtReading = (config: Config) => config.availability.some(({ topic }) => topic === 'line3/a');
    const shown = slotSensors(slot).map((each) => [parsed(each)['name'], looksAtReading(parsed(each))]);
    expect(shown).toEqual([
      ['Label', true],
      ['Confidence', true],
      ['Count', true],
      ['Quality', false],
      ['Release', false],
    ]);
  });
});

it('values have their unit, and are reached by whatever name they have', () => {
  const [width, ratio, odd] = valueSensors(slot, values).map(parsed);
  expect(width).toMatchObject({ unit_of_measurement: 'mm', value_template: `{{ value_json['values']["width"] }}` });
  expect(ratio).not.toHaveProperty('unit_of_measurement');
  expect(odd!['value_template']).toBe(`{{ value_json['values']["Öffnung \\"links\\""] }}`);
});

it('what is announced is taken away by an empty message', () => {
  expect(withdrawn(['a/config'])).toEqual([{ topic: 'a/config', payload: '' }]);
});
