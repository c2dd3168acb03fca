import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { aLog } from '../../fixtures/eventually.js';
import { Workshop } from '../fixtures/orders.js';
import { anywhere, images, serve, sum } from '../fixtures/served.js';
import { httpHandler } from '../../http/http.js';
import { rehearse } from './rehearsal.js';

const workshop = new Workshop();
/** Where it has its sockets. */
let temporary: string;
beforeEach(async () => vi.stubEnv('TMPDIR', (temporary = await workshop.folder())));
afterEach(async () => {
  vi.unstubAllEnvs();
  await workshop.clear();
});

const sockets = async () => (await readdir(temporary)).filter((name) => name.startsWith('flotilla-rehearsal-'));

describe('a rehearsal', () => {
  test('goes through the handlers of REST and gRPC to the model, and counts nowhere', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'), { rehearse: true }, { grpc: anywhere });
    expect(slot.log.lines.filter(({ message }) => message === 'there was no rehearsal')).toEqual([]);
    const rehearsed = slot.engine.stats().runs;
    expect(rehearsed).toBeGreaterThan(10);
    const answer = await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }));
    expect(answer.status).toBe(200);
    const statistics = (await (await fetch(`${slot.base}/v2/models/inspection/stats`)).json()) as {
      model_stats: { inference_count: number }[];
    };
    expect(statistics.model_stats[0]!.inference_count).toBe(1);
    await slot.close();
    expect(sum(slot.sent, 'ok')).toBe(1);
    expect(await sockets()).toEqual([]);
  });

  test('that is not answered says what went wrong, and leaves nothing behind', async () => {
    const handler = httpHandler([], aLog());
    const inputs = [{ name: 'images', type: 'FP32' as const, shape: [1, 4] }];
    await expect(rehearse({ slot: 'inspection', inputs, handler })).rejects.toThrow('REST answered 404');
    expect(await sockets()).toEqual([]);
  });
});
