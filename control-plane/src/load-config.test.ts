import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.js';

const dir = mkdtempSync(join(tmpdir(), 'flotilla-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Loads a file of this content, and these variables. */
function load(yaml: string, env: Record<string, string> = {}) {
  const file = join(dir, 'flotilla.yaml');
  writeFileSync(file, yaml);
  return loadConfig({ FLOTILLA_CONFIG: file, ...env });
}

function complaints(yaml: string, env: Record<string, string> = {}): string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${dir}/`, '').split('\n');
    throw error;
  }
  return [];
}

describe('the settings of the control plane', () => {
  it('have defaults that suit one machine', () => {
    expect(load('')).toMatchObject({ http: { host: '127.0.0.1', port: 8080 }, mqtt: { port: 8883 }, retentionDays: 30 });
  });

  it('come from the file, and the environment wins', () => {
    const config = load('http:\n  port: 9000\n  host: 0.0.0.0\n', { FLOTILLA_HTTP_PORT: '9001' });
    expect(config.http).toEqual({ host: '0.0.0.0', port: 9001 });
  });

  it('take an empty variable as none', () => {
    expect(load('http:\n  port: 9000\n', { FLOTILLA_HTTP_PORT: '' }).http.port).toBe(9000);
  });

  it('are frozen, the inner ones too', () => {
    const config = load('');
    expect(() => ((config.http as { port: number }).port = 1)).toThrow(TypeError);
  });

  it('are refused with every bad key at once, and the nearest known one', () => {
    const found = complaints('htp:\n  port: 80\nretentionDays: 0\nmqtt:\n  prot: 1\n', { FLOTILLA_HTTP_PORT: 'many' });
    expect(found).toHaveLength(4);
    expect(found).toContain('flotilla.yaml: unknown key "htp"; did you mean "http"?');
    expect(found).toContain('flotilla.yaml: mqtt: unknown key "prot"; did you mean "port"?');
    expect(found.find((line) => line.startsWith('FLOTILLA_HTTP_PORT: http.port: '))).toBeDefined();
    expect(found.find((line) => line.startsWith('flotilla.yaml: retentionDays: '))).toBeDefined();
  });

  it('are refused where a group of them is not one, whatever the environment adds', () => {
    expect(complaints('http: 8080\n', { FLOTILLA_HTTP_PORT: '9001' })).toEqual([
      expect.stringMatching(/^flotilla\.yaml: http: .*object/),
    ]);
  });

  it('are refused when the file is no YAML, with the place', () => {
    expect(complaints('http: [\n')).toEqual([expect.stringMatching(/^flotilla\.yaml: .* at line \d+, column \d+$/)]);
  });

  it('are refused when the file is a list', () => {
    expect(complaints('- http\n')).toEqual(['flotilla.yaml: must hold settings, such as "http:"']);
  });

  it('are refused when the named file is missing', () => {
    expect(() => loadConfig({ FLOTILLA_CONFIG: join(dir, 'none.yaml') })).toThrow(
      "none.yaml: can't be read (there is no such file)",
    );
  });
});
