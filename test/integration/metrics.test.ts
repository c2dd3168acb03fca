import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { families } from '@flotilla/control-plane/observe/families';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';

type Push = { path: string; type: string | undefined; token: string | undefined; body: Buffer };

let fleet: TestControlPlane;
const pushes: Push[] = [];
const collector = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const { 'content-type': type, 'x-token': token } = request.headers;
    pushes.push({ path: request.url!, type, token: String(token), body: Buffer.concat(parts) });
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
});

beforeAll(async () => {
  await new Promise<void>((listening) => void collector.listen(0, '127.0.0.1', listening));
  const { port } = collector.address() as AddressInfo;
  const otlp = { url: `http://127.0.0.1:${port}/v1/metrics`, intervalS: 1, headers: { 'x-token': 'secret' } };
  fleet = await aControlPlane({ otlp });
}, 60_000);
afterAll(async () => {
  await fleet?.stop();
  collector.close();
});

const scraped = (token = fleet.adminToken) => fetch(`${fleet.url}/metrics`, { headers: { authorization: `Bearer ${token}` } });

describe('/metrics', () => {
  it('is for who has a token', async () => {
    expect((await fetch(`${fleet.url}/metrics`)).status).toBe(401);
    expect((await scraped('wrong')).status).toBe(401);
  });

  it('tells of the process and of the fleet, in the text format, each family with its help', async () => {
    // The link to the broker comes up after the API.
    const isUp = async () => (await (await scraped()).text()).includes('flotilla_broker_connected 1');
    await expect.poll(isUp, { timeout: 20_000, interval: 500 }).toBe(true);
    const answer = await scraped();
    const text = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const line of ['flotilla_database_up 1', 'flotilla_devices{state="online"} 0']) expect(text.split('\n')).toContain(line);
    const empty = [
      'flotilla_counted',
      'flotilla_kill_slots',
      'flotilla_inferences',
      'flotilla_latency_ms',
      'flotilla_runner_restarts',
    ];
    const without = [...empty, 'flotilla_rollouts', 'flotilla_rollout_stage', 'flotilla_release_devices', 'flotilla_folded'];
    for (const name of Object.keys(families).filter((family) => !without.includes(family)))
      expect(text).toMatch(
        new RegExp(`^# HELP ${name}(_total)? .+\\n# TYPE ${name}(_total)? (gauge|counter)\\n${name}(_total)?[{ ]`, 'm'),
      );
  });
});

describe('an OpenTelemetry collector', () => {
  it('is sent the same as protobuf, with the headers of the settings', async () => {
    await expect.poll(() => pushes.length, { timeout: 15_000 }).toBeGreaterThan(1);
    const { path, type, token, body } = pushes.at(-1)!;
    expect({ path, type, token }).toEqual({ path: '/v1/metrics', type: 'application/x-protobuf', token: 'secret' });
    // Names lie in it as UTF-8.
    for (const text of ['flotilla-control-plane', 'flotilla_devices', 'online']) expect(body.includes(text)).toBe(true);
  });
});
