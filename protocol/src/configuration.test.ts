import { describe, expect, it } from 'vitest';
import { ConfigurationFile, describeIssues, maxConfigurationBytes, readPipeline } from './index.js';

const file = (slot: unknown) => ({ apiVersion: 'flotilla/v1', kind: 'Configuration', group: 'lyon', slots: { label: slot } });
const say = (slot: unknown) => {
  const { error } = ConfigurationFile.safeParse(file(slot));
  return error && describeIssues('gateway.yaml', ConfigurationFile, error);
};

describe('a configuration', () => {
  it('stays as it was written: no default of this version reaches an older device', () => {
    const slot = { source: { directory: 'pictures' }, trigger: {} };
    expect(ConfigurationFile.parse(file(slot)).slots).toEqual({ label: slot });
  });
  it.each<[unknown, string]>([
    [{ source: { directory: 'a', perSecnd: 2 } }, 'slots.label.source: unknown key "perSecnd"; did you mean "perSecond"?'],
    [{ sauce: { directory: 'a' } }, 'slots.label: unknown key "sauce"; did you mean "source"?'],
    [{ pipeline: { minScore: 2 } }, 'slots.label.pipeline.minScore: Too big: expected number to be <=1'],
    [
      { source: { radar: 'front' } },
      'slots.label.source: none of its keys (radar) says what kind of source it is; give it one of: directory, camera, video, recording, mqtt, push, audio, lines, opcua',
    ],
    [{}, 'slots.label: says nothing; give it one of: source, trigger, pipeline, record, outputs'],
  ])('%j is refused in a sentence', (slot, sentence) => expect(say(slot)).toBe(`gateway.yaml: ${sentence}`));
  it('holds no password: it names a file', () =>
    expect(say({ source: { mqtt: 'mqtt://127.0.0.1', topic: 't', password: 'hunter2' } })).toBe(
      'gateway.yaml: slots.label.source: unknown key "password"; did you mean "passwordFile"?',
    ));
  it('that is huge is refused, by its bytes', () => {
    const columns = Array.from({ length: 4000 }, () => 'ä'.repeat(10));
    const sentence = say({ source: { lines: { file: 'a.csv' }, columns } });
    expect(sentence).toBe(`gateway.yaml: slots: is larger than ${maxConfigurationBytes / 1024} KiB`);
  });
});

describe('a slot as it came', () => {
  it('is read with the defaults of who reads it', () =>
    expect(readPipeline({ source: { directory: 'a' } })).toEqual({
      pipeline: { source: { directory: 'a', perSecond: 1, then: 'keep' } },
    }));
  it('that a later version wrote is unreadable, and the reason names the key', () =>
    expect(readPipeline({ source: { directory: 'a', order: 'newest' } })).toEqual({
      unreadable: expect.stringContaining('source: unknown key "order"'),
    }));
  it.each([[null], [7], ['x'], [[]]])('that is %j is no slot', (written) =>
    expect(readPipeline(written)).toHaveProperty('unreadable'),
  );
});
