import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Workshop } from '@flotilla/agent/runner/fixtures/orders';
import { serve } from '@flotilla/agent/runner/fixtures/served';
import { documented, releaseOf } from '@flotilla/agent/runner/pipeline/fixtures/release';
import { GradedPrediction } from '@flotilla/agent/runner/slot-api/slot-schemas';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { modelFile, pictureFile } from './expected.js';

const workshop = new Workshop();
let slot: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  const [detection, direction, recognition] = [
    'ocr:ch_PP-OCRv4_det_infer.onnx',
    'ocr:ch_ppocr_mobile_v2.0_cls_infer.onnx',
    'ocr:ch_PP-OCRv4_rec_infer.onnx',
  ].map(modelFile) as [string, string, string];
  // The network knows the blank that parts words as well; the file of its characters leaves it out.
  const characters = `${(await readFile(join(dirname(recognition), 'ppocr_keys_v1.txt'), 'utf8')).trimEnd()}\n \n`;
  const release = await releaseOf(workshop, await documented('label-reader', 'graphs.md'), {
    'detect.onnx': await readFile(detection),
    'direction.onnx': await readFile(direction),
    'recognise.onnx': await readFile(recognition),
    'characters.txt': characters,
    'directions.txt': '0\n180\n',
  });
  slot = await serve(workshop, release);
}, 60_000);
afterAll(async () => {
  await slot?.close();
  await workshop.clear();
});

/** A label with two lines, laid askew on a table. */
async function label(degrees: number): Promise<Buffer> {
  const line = (file: string, width: number) => sharp(pictureFile(file)).resize({ width }).toBuffer();
  const paper = await sharp({ create: { width: 520, height: 260, channels: 3, background: '#eeebe4' } })
    .composite([
      { input: await line('line.png', 440), left: 40, top: 40 },
      { input: await line('label.png', 264), left: 40, top: 150 },
    ])
    .png()
    .toBuffer();
  const laid = await sharp(paper).rotate(degrees, { background: '#5a4632' }).png().toBuffer();
  return sharp({ create: { width: 1000, height: 800, channels: 3, background: '#5a4632' } })
    .composite([{ input: laid, gravity: 'centre' }])
    .jpeg({ quality: 90 })
    .toBuffer();
}

test.each([0, -8, 12, 180, 172, 90])(
  'three networks read both lines of a label turned by %i degrees',
  async (degrees) => {
    const response = await slot.post('/v1/slots/inspection/predict', new Uint8Array(await label(degrees)), 'image/jpeg');
    const { boxes = [] } = GradedPrediction.parse(await response.json());
    // Blanks are this network's weak side where the strip is tight: Python's onnxruntime loses the same ones.
    const read = boxes.map(({ text }) => text?.value.replaceAll(' ', ''));
    expect(new Set(read)).toEqual(new Set(['FLOTILLA2026', 'LOT-42']));
    expect(read).toHaveLength(2);
    for (const { text, quad, label: of } of boxes) {
      expect(of).toBe('text');
      expect(quad).toHaveLength(4);
      expect(text!.score).toBeGreaterThan(0.8);
    }
  },
  60_000,
);
