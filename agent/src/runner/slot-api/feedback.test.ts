import { DeploymentId, type FeedbackCounts } from '@flotilla/protocol/device';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseExposition } from '../fixtures/exposition.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve, windows } from '../fixtures/served.js';
import { feedbackFile } from './past-predictions.js';
import type { GradedPrediction } from './slot-schemas.js';

const workshop = new Workshop();
let slot: Served;
beforeEach(async () => {
  slot = await serve(workshop, await workshop.smallRelease('colour'));
});
afterEach(async () => {
  await slot.close();
  await workshop.clear();
});

async function predicted(by: Served = slot): Promise<GradedPrediction> {
  const body = JSON.stringify({ inputs: { images: images().data } });
  return (await (await by.post('/v1/slots/inspection/predict', body)).json()) as GradedPrediction;
}
async function say(body: unknown, to: Served = slot) {
  const response = await to.post('/v1/slots/inspection/feedback', JSON.stringify(body));
  return { status: response.status, body: (await response.json()) as { outcome?: string; error?: string } };
}
const lines = async (of: Served = slot) =>
  (await readFile(feedbackFile(of.file), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
async function counts() {
  const samples = parseExposition(await (await fetch(`${slot.base}/metrics`)).text());
  const of = (name: string) =>
    ['confirmed', 'rejected', 'corrected'].map((verdict) => samples.get(`${name}{slot="inspection",verdict="${verdict}"}`));
  return { given: of('flotilla_feedback_total'), standing: of('flotilla_feedback_standing') };
}

test('is a line that makes sense by itself, and is counted', async () => {
  const { id, at, seq, digest, top } = await predicted();
  const said = { verdict: 'corrected', label: 'green', by: 'line 3', comment: 'a reflection' };
  expect(await say({ id, ...said, unknown: 1 })).toEqual({
    status: 200,
    body: { id, verdict: 'corrected', outcome: 'recorded' },
  });
  const predictedAt = at;
  expect(await lines()).toEqual([
    expect.objectContaining({ id, predictedAt, seq, digest, release: 'colours@1.0.0', predicted: top[0], ...said }),
  ]);
  expect(await counts()).toEqual({ given: [0, 0, 1], standing: [0, 0, 1] });
});

test('is told to the fleet with the window of the deployment that predicted, once', async () => {
  const [first, second] = [await predicted(), await predicted()];
  await say({ id: first.id, verdict: 'rejected' });
  await say({ id: first.id, verdict: 'rejected' });
  await say({ id: second.id, verdict: 'confirmed' });
  await slot.serving.drain(200);
  const told = windows(slot.sent).flatMap(({ feedback }) => feedback ?? []);
  const sumOf = (verdict: keyof FeedbackCounts) => told.reduce((sum, each) => sum + each[verdict], 0);
  expect([sumOf('confirmed'), sumOf('rejected'), sumOf('corrected')]).toEqual([1, 1, 0]);
});

test('said twice counts once, and a later verdict takes the place of the one before', async () => {
  const { id } = await predicted();
  const twice = await Promise.all([say({ id, verdict: 'rejected' }), say({ id, verdict: 'rejected' })]);
  expect(new Set(twice.map(({ body }) => body.outcome))).toEqual(new Set(['recorded', 'repeated']));
  expect((await say({ id, verdict: 'confirmed', by: 'a' })).body.outcome).toBe('replaced');
  expect((await say({ id, verdict: 'confirmed', by: 'a' })).body.outcome).toBe('repeated');
  expect(await lines()).toMatchObject([{ verdict: 'rejected' }, { verdict: 'confirmed' }]);
  expect(await counts()).toEqual({ given: [1, 1, 0], standing: [1, 0, 0] });
});

test('on what the runner before this one predicted finds it in the file', async () => {
  const { id, deployment, digest } = await predicted();
  const file = {
    predictions: { file: slot.file, maxBytes: 1e6, keep: 1 },
    deployment: DeploymentId.parse('8f14e45f-ceea-4e7a-9c3b-0d9c1f3a2b11'),
  };
  const next = await serve(workshop, await workshop.smallRelease('colour', { version: '2.0.0' }), file);
  await predicted(next);
  expect(await say({ id, verdict: 'confirmed' }, next)).toMatchObject({ status: 200, body: { outcome: 'recorded' } });
  expect(await lines()).toMatchObject([{ id, release: 'colours@1.0.0', verdict: 'confirmed' }]);
  await next.close();
  await slot.serving.drain(200);
  const told = next.sent.flatMap((m) => (m.type === 'window' && m.window.feedback ? [m] : []));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({
    past: true,
    window: {
      deployment,
      digest,
      variant: windows(slot.sent)[0]!.variant,
      ok: 0,
      feedback: { confirmed: 1, rejected: 0, corrected: 0 },
    },
  });
});

describe('is refused', () => {
  test.each<[string, object, number, RegExp]>([
    [
      'of an unknown prediction',
      { id: '8f14e45f-00000000-0', verdict: 'confirmed' },
      404,
      /^no prediction "8f14e45f-00000000-0" is known/,
    ],
    ['without an id', { verdict: 'confirmed' }, 400, /^id: /],
    ['with another verdict', { id: 'x', verdict: 'good' }, 400, /^verdict: /],
    ['corrected without a label', { id: 'x', verdict: 'corrected' }, 400, /^label: /],
    ['confirmed with a label', { id: 'x', verdict: 'confirmed', label: 'a' }, 400, /^label: /],
    ['with too much to say', { id: 'x', verdict: 'confirmed', comment: 'x'.repeat(1001) }, 400, /^comment: /],
    ['that ends a line', { id: '"\n', verdict: 'confirmed' }, 404, /^no prediction/],
  ])('%s', async (_what, body, status, message) => {
    const refused = await say(body);
    expect([refused.status, refused.body.error]).toEqual([status, expect.stringMatching(message)]);
  });

  test('as another type', async () => {
    const refused = await slot.post('/v1/slots/inspection/feedback', '{}', 'text/plain');
    expect([refused.status, await refused.json()]).toEqual([415, { error: 'the body is text/plain, expected application/json' }]);
  });

  test('while the disk takes nothing, and taken afterwards', async () => {
    const { id } = await predicted();
    await mkdir(feedbackFile(slot.file));
    const refused = await say({ id, verdict: 'confirmed' });
    expect([refused.status, refused.body.error]).toEqual([503, expect.stringMatching(/could not be written/)]);
    await rm(feedbackFile(slot.file), { recursive: true });
    expect((await say({ id, verdict: 'confirmed' })).body.outcome).toBe('recorded');
    expect(await counts()).toEqual({ given: [1, 0, 0], standing: [1, 0, 0] });
  });
});
