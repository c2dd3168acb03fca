import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { follow } from '../../fixtures/event-stream.js';
import { eventually } from '../../fixtures/eventually.js';
import { parseExposition } from '../fixtures/exposition.js';
import { postFrame } from '../fixtures/frames.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, picture, serve } from '../fixtures/served.js';

const workshop = new Workshop();
let red: Uint8Array<ArrayBuffer>;
beforeEach(async () => {
  red = new Uint8Array(await picture('red'));
});
afterEach(() => workshop.clear());
const stream = '/v1/slots/inspection/predictions/stream';

/** Resolves in the turn in which the engine is given its first inference, before that one can be done. */
function firstRun({ engine }: Served): Promise<void> {
  const run = engine.run.bind(engine);
  return new Promise((resolve) => {
    engine.run = (inputs) => {
      resolve();
      return run(inputs);
    };
  });
}

describe('the stream', () => {
  test('carries the predictions of source and clients alike, in the order of their numbers', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    const reader = await follow(slot.base + stream);
    for (let i = 0; i < 20; i++) {
      const asked = await Promise.all([
        ...[1, 2, 3].map(() => slot.post('/v1/slots/inspection/predict', red, 'image/png')),
        ...[1, 2].map(() => postFrame(slot.base, red, { name: 'a.png' })),
      ]);
      expect(asked.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    }
    await eventually(() => reader.predictions().length >= 100);
    const seen = reader.predictions().map(({ data }) => JSON.parse(data!) as { seq: number; source?: string; quality: string });
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, i) => seen[0]!.seq + i));
    expect(reader.predictions().map(({ id }) => Number(id))).toEqual(seen.map(({ seq }) => seq));
    expect(seen.filter(({ source }) => source === undefined)).toHaveLength(60);
    expect(new Set(seen.map(({ quality }) => quality))).toEqual(new Set(['good']));
    await slot.close();
    // A line of the file says what was predicted; how old that is, its reader knows best.
    expect(await readFile(slot.file, 'utf8')).not.toContain('quality');
  });

  test('of a runner that drains ends long before the grace does, after what was still computed', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    const readers = await Promise.all([1, 2, 3].map(() => follow(slot.base + stream)));
    const begun = firstRun(slot);
    const asked = slot.post('/v1/slots/inspection/predict', red, 'image/png');
    await begun;
    const started = performance.now();
    const drained = slot.serving.drain(20_000);
    await Promise.all(readers.map(({ ended }) => ended));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect((await asked).status).toBe(200);
    for (const { events } of readers)
      expect(events).toMatchObject([{ retry: '2000' }, { event: 'prediction', id: '0' }, { event: 'moved', retry: '100' }]);
    expect(await drained).toBe(true);
    expect(performance.now() - started).toBeLessThan(15_000);
    await slot.engine.close();
  });

  test('does not outwait a long queue', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'));
    const reader = await follow(slot.base + stream);
    const body = JSON.stringify({ inputs: [images()] });
    const asked = Promise.allSettled(Array.from({ length: 12 }, () => slot.post('/v2/models/inspection/infer', body)));
    await eventually(async () => /queue_depth\{.*\} [5-9]/.test(await (await fetch(`${slot.base}/metrics`)).text()));
    const drained = slot.serving.drain(1500);
    await reader.ended;
    // Others still wait for their turn.
    expect(slot.engine.stats().inFlight).toBe(1);
    expect(reader.events.at(-1)?.event).toBe('moved');
    await drained;
    await asked;
    await eventually(() => slot.engine.stats().inFlight === 0, 60_000);
    await slot.engine.close();
  });

  test('of another slot is not here', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour'));
    expect((await fetch(`${slot.base}/v1/slots/other/predictions/stream`)).status).toBe(404);
    await slot.close();
  });
});

describe('metrics', () => {
  test('count and time what was asked, and say what serves', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('colour', { version: '1.0.0' }));
    for (let i = 0; i < 3; i++) await slot.post('/v1/slots/inspection/predict', red, 'image/png');
    await slot.post('/v1/slots/inspection/predict', 'no picture', 'image/png');
    await slot.post('/v2/models/inspection/infer', JSON.stringify({ inputs: [images()] }));
    await follow(slot.base + stream);
    const response = await fetch(`${slot.base}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const samples = parseExposition(await response.text());
    expect(Object.fromEntries(samples)).toMatchObject({
      'flotilla_inferences_total{slot="inspection",result="ok"}': 4,
      'flotilla_inferences_total{slot="inspection",result="error"}': 0,
      'flotilla_inferences_total{slot="inspection",result="shed"}': 0,
      'flotilla_inference_compute_seconds_count{slot="inspection"}': 4,
      'flotilla_inference_compute_seconds_bucket{slot="inspection",le="+Inf"}': 4,
      'flotilla_inference_queue_depth{slot="inspection"}': 0,
      'flotilla_prediction_stream_readers{slot="inspection"}': 1,
      [`flotilla_release_info{release="colours@1.0.0",version="1.0.0",digest="${'a'.repeat(64)}",deployment="8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b10",variant="model.onnx",provider="cpu",slot="inspection"}`]: 1,
    });
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e7);
    const [total, compute] = ['duration', 'compute'].map((n) =>
      samples.get(`flotilla_inference_${n}_seconds_sum{slot="inspection"}`)!,
    );
    expect(total).toBeGreaterThan(compute!);
    await slot.close();
  });

  test('tell errors, sheds and the depth of the queue', async () => {
    const slot = await serve(workshop, await workshop.smallRelease('slow'));
    const body = JSON.stringify({ inputs: [images()] });
    const asked = Promise.allSettled(Array.from({ length: 80 }, () => slot.post('/v2/models/inspection/infer', body)));
    await eventually(async () => {
      const samples = parseExposition(await (await fetch(`${slot.base}/metrics`)).text());
      const shed = samples.get('flotilla_inferences_total{slot="inspection",result="shed"}')!;
      return shed > 0 && samples.get('flotilla_inference_queue_depth{slot="inspection"}')! > 30;
    });
    await slot.serving.drain(100);
    await asked;
    await eventually(() => slot.engine.stats().inFlight === 0, 60_000);
    await slot.engine.close();

    const broken = await serve(workshop, await workshop.smallRelease('nan'));
    await broken.post('/v2/models/inspection/infer', body);
    const samples = parseExposition(await (await fetch(`${broken.base}/metrics`)).text());
    expect(samples.get('flotilla_inferences_total{slot="inspection",result="error"}')).toBe(1);
    await broken.close();
  });
});

test('a prediction is good in its own answer and as the latest, and names its release', async () => {
  const slot = await serve(workshop, await workshop.smallRelease('colour'));
  const answer = (await (await slot.post('/v1/slots/inspection/predict', red, 'image/png')).json()) as object;
  expect(answer).toMatchObject({ release: 'colours@1.0.0', quality: 'good', seq: 0 });
  expect(await (await fetch(`${slot.base}/v1/slots/inspection/predictions/latest`)).json()).toEqual(answer);
  await slot.close();
});
