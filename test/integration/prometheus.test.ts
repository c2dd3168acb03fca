import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { families } from '@flotilla/control-plane/observe/families';
import { parse } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { freePorts } from '../support/ports.js';
import { describeWith } from '../support/required.js';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));
type Rules = { groups: { rules: { expr: string }[] }[] };
type Dashboard = { panels: { title: string; targets: { expr: string }[] }[] };

const rules = (parse(readFileSync(`${deploy}/prometheus/rules.yml`, 'utf8')) as Rules).groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(readFileSync(`${deploy}/grafana/flotilla.json`, 'utf8')) as Dashboard;
const expressions = [...rules, ...panels.flatMap(({ targets }) => targets)].map(({ expr }) => expr);

test('rules and dashboard name only what the control plane tells', () => {
  const told = Object.entries(families).map(([name, { kind }]) => (kind === 'counter' ? `${name}_total` : name));
  const named = new Set(expressions.flatMap((expr) => expr.match(/\b(flotilla|process|nodejs)_\w+/g) ?? []));
  expect([...named].filter((name) => !told.includes(name))).toEqual([]);
  expect(named.size).toBeGreaterThan(15);
});

describeWith('prometheus', 'a Prometheus', () => {
  let fleet: TestControlPlane | undefined;
  let folder: string;
  let server: ChildProcess | undefined;
  let url: string;

  beforeAll(async () => {
    fleet = await aControlPlane();
    folder = await mkdtemp(join(tmpdir(), 'flotilla-prometheus-'));
    await cp(`${deploy}/prometheus`, folder, { recursive: true });
    await writeFile(join(folder, 'flotilla-token'), fleet.adminToken, { mode: 0o600 });
    const written = await readFile(join(folder, 'prometheus.yml'), 'utf8');
    const config = written.replace('127.0.0.1:8080', new URL(fleet.url).host).replaceAll(': 30s', ': 1s');
    await writeFile(join(folder, 'prometheus.yml'), config);
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    const options = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
    server = spawn('prometheus', [...options, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
  }, 60_000);
  afterAll(async () => {
    if (server && server.exitCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    await fleet?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function asked(expr: string): Promise<{ status: string; data: { result: { value: [number, string] }[] } }> {
    const answer = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`);
    return (await answer.json()) as Awaited<ReturnType<typeof asked>>;
  }

  test('takes its settings and rules as they are, and each alert as its test has it', () => {
    for (const args of [
      ['check', 'config', `${folder}/prometheus.yml`],
      ['test', 'rules', `${folder}/rules.test.yml`],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      expect({ args, status, stderr: status === 0 ? '' : stdout + stderr }).toEqual({ args, status: 0, stderr: '' });
    }
  });

  test('scrapes the control plane by its token, and understands every expression', async () => {
    const value = async () => (await asked('up{job="flotilla"}').catch(() => undefined))?.data.result[0]?.value[1];
    await expect.poll(value, { timeout: 30_000 }).toBe('1');
    for (const expr of expressions) expect({ expr, status: (await asked(expr)).status }).toEqual({ expr, status: 'success' });
    for (const expr of ['flotilla_devices', 'process_resident_memory_bytes{job="flotilla"}'])
      expect((await asked(expr)).data.result).not.toEqual([]);
  }, 60_000);
});
