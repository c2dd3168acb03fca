import { randomUUID } from 'node:crypto';
import type { EventView } from '@flotilla/protocol';
import { EventsService } from '@flotilla/control-plane/events/events.service';
import { FlotillaClient } from '@flotilla/control-plane/cli/flotilla-client';
import { follow } from '@flotilla/control-plane/cli/event-stream';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';

let cp: TestControlPlane;
let db: DataSource;
beforeAll(async () => {
  cp = await aControlPlane();
  db = cp.app.get(DataSource);
});
afterAll(() => cp?.stop());

const request = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${cp.url}/api/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${cp.adminToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  // oxlint-disable-next-line typescript/no-explicit-any
  return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as any };
};
const post = (path: string, body: unknown, key: string) => request('POST', path, body, { 'idempotency-key': key });

describe('a POST with an Idempotency-Key', () => {
  it('is done once, and answered alike', async () => {
    const key = randomUUID();
    const first = await post('tokens', { name: 'once' }, key);
    const again = await post('tokens', { name: 'once' }, key);
    expect([first.status, again.status, again.body]).toEqual([201, 201, first.body]);
    expect([first, again].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    const [{ count } = { count: 0 }] = await db.query<{ count: number }[]>('SELECT count(*)::int count FROM claim_token');
    expect(count).toBe(1);
  });

  it('is refused where the key came with another body, or to another address', async () => {
    const key = randomUUID();
    await post('tokens', {}, key);
    expect((await post('tokens', { name: 'another' }, key)).body).toMatchObject({ code: 'KEY_REUSED', status: 422 });
    expect((await post('operators', {}, key)).body.code).toBe('KEY_REUSED');
    expect((await post('tokens', {}, 'short')).body.code).toBe('INVALID_REQUEST');
  });

  it('is done once, too, where several come at the same time', async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('operators', { name: 'zoe' }, key)));
    const made = answers.filter(({ status }) => status === 201);
    expect(new Set(made.map(({ body }) => body.token)).size).toBe(1);
    for (const { status, body, headers } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, body.code]).toEqual([409, 'REQUEST_RUNNING']);
      expect(headers.get('retry-after')).toBe('1');
    }
  });

  it('may be repeated after a refusal', async () => {
    const key = randomUUID();
    const plan = { name: 'late-group', selector: 'group=not-yet' };
    expect((await post('groups', plan, key)).status).toBeGreaterThanOrEqual(400);
    await post('groups', { name: 'not-yet', selector: 'site=nowhere' }, randomUUID());
    expect((await post('groups', plan, key)).status).toBe(201);
  });

  it('leaves neither key nor secret in the database', async () => {
    const key = randomUUID();
    const { body } = await post('operators', { name: 'quiet' }, key);
    const rows = await db.query<{ row: string; answer: Buffer }[]>('SELECT r::text AS row, answer FROM idempotent_request r');
    expect(rows.length).toBeGreaterThan(0);
    for (const { row, answer } of rows)
      for (const secret of [body.token as string, key, 'quiet'])
        expect(`${row} ${answer?.toString('latin1')}`).not.toContain(secret);
  });

  it('says so where nobody knows what came of it', async () => {
    const key = randomUUID();
    await post('tokens', {}, key);
    await db.query(`UPDATE idempotent_request SET state = 'running', created_at = now() - interval '2 minutes'`);
    expect((await post('tokens', {}, key)).body.code).toBe('OUTCOME_UNKNOWN');
    await db.query(`UPDATE idempotent_request SET created_at = now() - interval '25 hours'`);
    expect((await post('tokens', {}, key)).status).toBe(201);
  });
});

describe('a change with If-Match', () => {
  it('replaces labels only as they were read', async () => {
    await enrolled(cp, aNewDevice('tagged'));
    const put = (labels: object, tag?: string) =>
      request('PUT', 'devices/tagged/labels', { labels }, tag === undefined ? {} : { 'if-match': tag });
    const tag = (await request('GET', 'devices/tagged')).headers.get('etag')!;
    expect((await put({ site: 'lyon' })).body).toMatchObject({ code: 'PRECONDITION_REQUIRED', status: 428 });
    const changed = await put({ site: 'lyon' }, tag);
    expect([changed.status, changed.headers.get('etag') === tag]).toEqual([200, false]);
    expect((await put({ site: 'turin' }, tag)).body).toMatchObject({ code: 'PRECONDITION_FAILED', status: 412 });
    expect((await put({ site: 'turin' }, '*')).status).toBe(200);
  });

  it('changes and removes a group only as it was read; adding and taking away needs none', async () => {
    const { headers } = await request('POST', 'groups', { name: 'conditional', devices: [] });
    const tag = { 'if-match': headers.get('etag')! };
    expect((await request('PATCH', 'groups/conditional', { devices: ['tagged'] })).status).toBe(428);
    expect((await request('PATCH', 'groups/conditional', { add: ['tagged'] })).status).toBe(200);
    expect((await request('PATCH', 'groups/conditional', { devices: [] }, tag)).status).toBe(412);
    expect((await request('DELETE', 'groups/conditional', undefined, tag)).status).toBe(412);
    const now = (await request('GET', 'groups/conditional')).headers.get('etag')!;
    expect((await request('DELETE', 'groups/conditional', undefined, { 'if-match': now })).status).toBe(204);
  });

  it('pushes a configuration only upon the version that was read', async () => {
    const file = {
      apiVersion: 'flotilla/v1',
      kind: 'Configuration',
      device: 'tagged',
      slots: { inspection: { source: { directory: '/srv/pictures', perSecond: 2, then: 'keep' } } },
    };
    const push = (headers: Record<string, string> = {}) => request('POST', 'configurations', file, headers);
    expect((await push({ 'if-match': '"nothing"' })).status).toBe(412);
    const first = await push();
    expect(first.status, JSON.stringify(first.body)).toBe(200);
    const shown = await request('GET', 'configurations/device/tagged');
    expect(shown.headers.get('etag')).toBe(first.headers.get('etag'));
    expect((await request('DELETE', 'configurations/device/tagged', undefined, { 'if-match': '"other"' })).status).toBe(412);
    expect(
      (await request('DELETE', 'configurations/device/tagged', undefined, { 'if-match': shown.headers.get('etag')! })).status,
    ).toBe(204);
  });
});

describe('the stream of events', () => {
  const append = (message: string, tx: DataSource['manager'] = db.manager) =>
    cp.app.get(EventsService).append(tx, { kind: 'test', actor: 'test', message });
  const client = () => new FlotillaClient(cp.url, cp.adminToken);

  /** What was told from `after` on until `count` messages were heard. */
  async function heard(count: number, after: number | undefined, meanwhile: () => Promise<unknown>): Promise<EventView[]> {
    const end = new AbortController();
    const events: EventView[] = [];
    for await (const event of follow(client(), { kind: 'test', after }, end.signal)) {
      if (event) events.push(event);
      else await meanwhile();
      if (events.length >= count) end.abort();
    }
    return events;
  }
  const messages = (events: EventView[]) => events.map(({ message }) => message);

  it('tells what happens, in order, and goes on behind an id', async () => {
    const all = await heard(3, undefined, async () => {
      for (const message of ['one', 'two', 'three']) await append(message);
    });
    expect(messages(all)).toEqual(['one', 'two', 'three']);
    expect(messages(await heard(2, all[0]!.id, async () => undefined))).toEqual(['two', 'three']);
  });

  it('misses no event whose transaction ended after that of a later one, and skips one that was rolled back', async () => {
    const slow = db.createQueryRunner();
    const failed = db.createQueryRunner();
    await Promise.all([slow.startTransaction(), failed.startTransaction()]);
    const told = heard(3, undefined, async () => {
      await append('early id, late end', slow.manager);
      await append('never', failed.manager);
      await append('between');
      await failed.rollbackTransaction();
      await slow.commitTransaction();
      await append('last');
    });
    expect(messages(await told)).toEqual(['early id, late end', 'between', 'last']);
    await Promise.all([slow.release(), failed.release()]);
  });

  it('gives each of many readers each event once while many are written at the same time', async () => {
    const writers = 8;
    const each = 25;
    let ready = 0;
    const everybody = Promise.withResolvers<void>();
    const write = async (writer: number) => {
      for (let n = 0; n < each; n += 1) await db.transaction((tx) => append(`${writer}-${n}`, tx));
    };
    const readers = Array.from({ length: 4 }, () =>
      heard(writers * each, undefined, async () => {
        ready += 1;
        if (ready === 4) everybody.resolve();
      }),
    );
    await everybody.promise;
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    for (const events of await Promise.all(readers)) {
      const ids = events.map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
      expect(new Set(messages(events)).size).toBe(writers * each);
    }
  });

  it('says that an id is ahead of the log', async () => {
    const response = await fetch(`${cp.url}/api/v1/events/stream`, {
      headers: { authorization: `Bearer ${cp.adminToken}`, 'last-event-id': '99999999' },
    });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toMatch(/^event: reset\ndata: \{"asked":99999999,"end":\d+/);
    await reader.cancel();
  });

  it.each([
    ['no token', {}, 401],
    ['an id that is none', { 'last-event-id': 'x' }, 400],
  ])('is refused with %s', async (_what, headers, status) => {
    const token = status === 401 ? {} : { authorization: `Bearer ${cp.adminToken}` };
    const response = await fetch(`${cp.url}/api/v1/events/stream`, { headers: { ...token, ...headers } });
    expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/problem+json; charset=utf-8']);
    await response.body?.cancel();
  });
});
