import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Echo, binaryRequest, inferBinary, serveEcho, zeros } from '../fixtures/binary.js';
import { eventually } from '../../fixtures/eventually.js';
import { binaryRequests, jsonRequests, pictureRequests, type Request } from '../fixtures/fuzz-requests.js';
import { type Damage, bomb, damages, isWhole, sendOver } from '../fixtures/fuzz-wire.js';
import { allowedGrowthBytes, heldBytes } from '../fixtures/held-memory.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, picture, serve, sum, windows } from '../fixtures/served.js';

/** More of them, for a night: FLOTILLA_FUZZ_RUNS=10000 npx vitest run agent/src/runner/oip/fuzz.test.ts */
const runs = Number(process.env['FLOTILLA_FUZZ_RUNS'] ?? 400);

const workshop = new Workshop();
let echo: Echo;
let colour: Served;
beforeAll(async () => {
  echo = await serveEcho(workshop, 'FP32');
  colour = await serve(workshop, await workshop.smallRelease('colour'));
});
afterAll(async () => {
  await Promise.all([echo.slot.close(), colour.close()]);
  await workshop.clear();
});

const refusals = [400, 403, 404, 405, 408, 413, 415, 417, 429, 431];
test(
  'a request, however broken, is answered or refused with a sentence, costs no memory, and never counts against the release',
  async () => {
    const seen = new Map<number | 'cut', number>();
    const attempt = async (slot: Served, request: Request, damage: Damage = {}) => {
      const { status, text } = await sendOver(Number(new URL(slot.base).port), request, damage);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      if (status === 'cut') expect(isWhole(damage), JSON.stringify(damage)).toBe(false);
      else if (status !== 200) expect(refusals, text).toContain(status);
      if (status === 400 && damage.method !== 'HEAD') expect(text).toMatch(/"error":"./);
    };
    const requests = fc.oneof(
      { weight: 4, arbitrary: binaryRequests(echo.inputs).map((request) => ({ request, slot: echo.slot })) },
      { weight: 4, arbitrary: jsonRequests.map((request) => ({ request, slot: colour })) },
      { weight: 2, arbitrary: pictureRequests(await picture('red')).map((request) => ({ request, slot: colour })) },
    );
    const property = fc.asyncProperty(requests, damages, ({ request, slot }, damage) => attempt(slot, request, damage));
    await fc.assert(property, { numRuns: Math.ceil(runs / 4) });
    const before = heldBytes();
    await fc.assert(property, { numRuns: Math.ceil((runs * 3) / 4) });
    for (let i = 0; i < Math.ceil(runs / 500); i++) await attempt(colour, bomb());
    await eventually(() => heldBytes() - before < allowedGrowthBytes);
    if (runs > 1000) console.log(seen, `${Math.round((heldBytes() - before) / 1024)} KiB more are held`);

    expect(seen.get(200)).toBeGreaterThan(runs / 50);
    expect(seen.get(400)).toBeGreaterThan(runs / 5);
    expect(seen.get(413)).toBeGreaterThan(0);
    expect((await inferBinary(echo.slot, binaryRequest(echo.inputs, zeros))).status).toBe(200);
    expect((await colour.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }))).status).toBe(200);
    for (const { sent } of [echo.slot, colour]) {
      await eventually(() => windows(sent).some(({ ok }) => ok > 0));
      expect(sum(sent, 'errors')).toBe(0);
    }
  },
  60_000 + runs * 100,
);
