import { connect } from 'node:net';
import { deflateSync, gzipSync, inflateSync, gunzipSync } from 'node:zlib';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acceptedCoding } from '../../http/compression.js';
import { type Echo, binaryRequest, inferBytes, serveEcho, wire } from '../fixtures/binary.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, images, serve, sum } from '../fixtures/served.js';

const workshop = new Workshop();
let isNear = false;
let echo: Echo;
let colour: Served;
beforeAll(async () => {
  echo = await serveEcho(workshop, 'FP32', {}, { isNear: () => isNear });
  colour = await serve(workshop, await workshop.smallRelease('colour'));
});
afterAll(async () => {
  await Promise.all([echo.slot.close(), colour.close()]);
  await workshop.clear();
});
const path = '/v2/models/inspection/infer';
const json = Buffer.from(JSON.stringify({ inputs: [images()] }));
const ask = (body: Buffer, headers: Record<string, string>) => inferBytes(colour, body, headers);

describe('a compressed request', () => {
  test.each<[string, Buffer]>([
    ['gzip', gzipSync(json)],
    ['x-gzip', gzipSync(json)],
    ['GZip', gzipSync(json)],
    ['deflate', deflateSync(json)],
    ['identity', json],
  ])('in %s is taken', async (coding, body) => {
    expect(await ask(body, { 'content-encoding': coding })).toMatchObject({ status: 200, outputs: [{ data: [4, 4, 4] }] });
  });

  test('counts its head after decompression', async () => {
    const { head, blobs } = binaryRequest(echo.inputs);
    const plain = Buffer.from(JSON.stringify(head));
    const headers = { 'content-encoding': 'gzip', 'inference-header-content-length': String(plain.length) };
    const { status, outputs } = await inferBytes(echo.slot, gzipSync(Buffer.concat([plain, ...blobs])), headers);
    expect(status).toBe(200);
    expect(outputs.map(({ binary }) => binary)).toEqual(outputs.map(({ datatype }) => wire[datatype]));
  });

  test.each<[string, Buffer, string, number, RegExp]>([
    [
      'in an unknown coding',
      json,
      'br',
      415,
      /^a body in content-encoding "br" is not taken; send it as gzip or deflate, or plain$/,
    ],
    ['in two codings', gzipSync(gzipSync(json)), 'gzip, gzip', 415, /^a body in content-encoding "gzip, gzip" is not taken/],
    ['that is not compressed', json, 'gzip', 400, /^the body is no whole gzip: incorrect header check$/],
    ['that is cut', gzipSync(json).subarray(0, -12), 'gzip', 400, /^the body is no whole gzip: unexpected end of file$/],
    [
      'whose sum is wrong',
      Buffer.concat([gzipSync(json).subarray(0, -8), Buffer.alloc(8)]),
      'gzip',
      400,
      /^the body is no whole gzip: incorrect data check$/,
    ],
    ['that is a bomb', gzipSync(Buffer.alloc(200e6)), 'gzip', 413, /^the body is larger than 67108864 bytes once decompressed$/],
  ])('%s is refused', async (_what, body, coding, status, message) => {
    const refusal = await ask(body, { 'content-encoding': coding });
    expect(refusal.error).toMatch(message);
    expect(refusal.status).toBe(status);
    expect(await ask(json, {})).toMatchObject({ status: 200 });
  });

  test('that goes on after the limit is answered before its end', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(colour.base + path, { method: 'POST', headers: { 'content-encoding': 'gzip' } });
      request.on('response', (response) => resolve(response.statusCode)).on('error', reject);
      request.write(gzipSync(Buffer.alloc(100e6)).subarray(0, -1000));
    });
    expect(status).toBe(413);
  });

  test('whose sender goes away leaves the server as it was', async () => {
    const socket = connect(Number(new URL(colour.base).port), '127.0.0.1');
    socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\ncontent-encoding: gzip\r\n\r\n`);
    socket.write(gzipSync(json).subarray(0, 20), () => setTimeout(() => socket.destroy(), 20));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await ask(json, {})).toMatchObject({ status: 200 });
    expect(sum(colour.sent, 'errors')).toBe(0);
  });
});

describe('a compressed answer', () => {
  /** An answer of some size, read without a client that decompresses unasked. */
  const answerIn = (accepted: string, rows: number) =>
    new Promise<{ coding: string | undefined; headLength: number; body: Buffer }>((resolve, reject) => {
      const { head, blobs } = binaryRequest(echo.inputs);
      const fp32 = echo.inputs.findIndex(({ type }) => type === 'FP32');
      Object.assign(head.inputs[fp32]!, { shape: [rows, 2], parameters: { binary_data_size: rows * 8 } });
      blobs[fp32] = Buffer.alloc(rows * 8, 1);
      head['outputs'] = [{ name: 'fp32_out' }];
      const json = Buffer.from(JSON.stringify(head));
      const headers = { 'accept-encoding': accepted, 'inference-header-content-length': json.length };
      const request = httpRequest(echo.slot.base + path, { method: 'POST', headers }, (response) => {
        const chunks: Buffer[] = [];
        response
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => {
            const { 'content-encoding': coding, 'inference-header-content-length': headLength } = response.headers;
            resolve({ coding, headLength: Number(headLength), body: Buffer.concat(chunks) });
          });
      });
      request.on('error', reject).end(Buffer.concat([json, ...blobs]));
    });

  test.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
  ])('in %s has its head counted before compression', async (coding, decompress) => {
    const answer = await answerIn(coding, 5000);
    expect(answer.coding).toBe(coding);
    expect(answer.body.length).toBeLessThan(5000);
    const plain = decompress(answer.body);
    expect(JSON.parse(plain.subarray(0, answer.headLength).toString())).toMatchObject({
      outputs: [{ name: 'fp32_out', shape: [5000, 2] }],
    });
    expect(plain.subarray(answer.headLength)).toEqual(Buffer.alloc(40_000, 1));
  });

  test('comes only where it was asked for and is worth it', async () => {
    expect((await answerIn('br, *', 5000)).coding).toBeUndefined();
    expect((await answerIn('gzip', 20)).coding).toBeUndefined();
  });

  test('does not come to a client on the same device, whatever it asks for', async () => {
    isNear = true;
    expect(await answerIn('gzip', 5000)).toMatchObject({ coding: undefined, body: { length: expect.any(Number) } });
    isNear = false;
    expect((await answerIn('gzip', 5000)).coding).toBe('gzip');
    const { headers } = await fetch(colour.base + path, { method: 'POST', body: json, headers: { 'accept-encoding': 'gzip' } });
    expect(headers.get('content-encoding')).toBeNull();
  });

  test.each([
    [undefined, undefined],
    ['', undefined],
    ['identity', undefined],
    ['gzip', 'gzip'],
    ['GZIP;q=1.0', 'gzip'],
    ['br, deflate, gzip', 'deflate'],
    ['gzip;q=0.5, deflate;q=0.8', 'deflate'],
    ['gzip;q=0', undefined],
    ['gzip;q=1.1.1, deflate;q=x', 'deflate'],
    ['*', undefined],
  ])('for %o is %o', (header, coding) => expect(acceptedCoding(header)).toBe(coding));
});
