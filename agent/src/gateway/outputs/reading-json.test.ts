import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FedPort } from '../fixtures/ports.js';
import { farewell, gatewayRun, readingJson } from './reading-json.js';

const json = (reading: Parameters<typeof readingJson>[0], prediction = false) =>
  JSON.parse(readingJson(reading, { device: 'press-1', prediction })) as Record<string, unknown>;

describe('a reading in JSON', () => {
  let fed: FedPort;
  beforeEach(() => (fed = new FedPort()));
  afterEach(() => fed.port.close());

  it('is flat, and names what it is of', () => {
    fed.tell({ drift: 'none', release: 'm@1.0.0' });
    fed.publish({ top: [{ label: 'cat', index: 3, score: 0.9 }], inspection: 'part-1' }, 5);
    expect(json(fed.port.latest)).toEqual({
      id: `inspection-${gatewayRun.id}-3`,
      device: 'press-1',
      slot: 'inspection',
      gateway: gatewayRun.id,
      sequence: 3,
      quality: 'good',
      reason: null,
      at: new Date(fed.port.latest.at).toISOString(),
      sourceTime: '1970-01-01T00:00:00.005Z',
      latencyMs: 1,
      label: 'cat',
      index: 3,
      confidence: 0.9,
      count: 1,
      values: {},
      units: {},
      inspection: 'part-1',
      release: 'm@1.0.0',
      deployment: '00000000-0000-4000-8000-000000000001',
      state: 'serving',
      drift: 'none',
    });
  });

  it('has the same keys while there is nothing to say', () => {
    const before = Object.keys(json(fed.port.latest));
    expect(json(fed.port.latest)).toMatchObject({ quality: 'stale', reason: 'there is no result yet', label: null });
    fed.publish();
    expect(Object.keys(json(fed.port.latest))).toEqual(before);
  });

  it('has measured values by name, and the whole prediction where it is asked for', () => {
    const values = [
      { name: 'width', value: 2.5, unit: 'mm' },
      { name: 'ratio', value: 1 },
    ];
    fed.publish({ values });
    expect(json(fed.port.latest)).toMatchObject({ values: { width: 2.5, ratio: 1 }, units: { width: 'mm' } });
    expect(json(fed.port.latest)).not.toHaveProperty('prediction');
    expect(json(fed.port.latest, true)).toMatchObject({ prediction: { id: 'p', values } });
  });

  it('leaves out a prediction that is as large as a picture, and says so', () => {
    fed.publish({ outputs: { mask: { datatype: 'FP32', shape: [200_000], data: Array.from({ length: 200_000 }, () => 0.5) } } });
    const view = json(fed.port.latest, true);
    expect(view).not.toHaveProperty('prediction');
    expect(view['predictionLeftOut']).toMatch(/it has \d+ characters, more than 262144/);
  });

  it('is not good any more when nobody looks after it', () => {
    fed.publish();
    expect(farewell(fed.port.latest, 'gone')).toMatchObject({ quality: 'stale', reason: 'gone' });
    fed.tell({ state: 'safe-mode' });
    expect(farewell(fed.port.latest, 'gone')).toMatchObject({ quality: 'safe-mode' });
  });
});
