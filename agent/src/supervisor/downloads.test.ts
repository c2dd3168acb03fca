import 'reflect-metadata';
import { sha256 } from '@flotilla/protocol/device';
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { KeyObject, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Downloads, type Wanted } from './downloads.js';
import { answering, ArtifactServer, cutAt, type Fault, serve } from './fixtures/artifact-server.js';
import { temporaryFolder } from './fixtures/fleet-of-one.js';

let server: ArtifactServer;
let folder: string;
let into: string;
const model = randomBytes(300_000);
const digest = sha256(model);

beforeEach(async () => {
  server = await ArtifactServer.start();
  folder = await temporaryFolder();
  into = join(folder, digest);
  server.put(model);
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const downloads = (more = {}) => new Downloads({ baseUrl: server.url, backoff: { baseMs: 5, capMs: 20 }, ...more });
const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  digest,
  into,
  maxBytes: model.length,
  signal: AbortSignal.timeout(25_000),
  ...more,
});
const ranges = () => server.asked.map(({ range }) => range);
const otherBytes: Fault = (request, response) => {
  serve(request, response, Buffer.from('something else'), '"other"');
  return true;
};

describe('a download', () => {
  it('is whole', async () => {
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
    expect(ranges()).toEqual([undefined]);
  });

  it('goes on where a connection was cut, as often as it takes', async () => {
    server.faults.push(cutAt(100_000, into), cutAt(200_000, into));
    const reasons: string[] = [];
    await downloads().fetch(wanted({ onWaiting: (reason) => reasons.push(reason) }));
    expect(await readFile(into)).toEqual(model);
    expect(ranges()).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
    expect(server.asked[1]?.ifRange).toBe(`"${digest}"`);
    expect(reasons).toHaveLength(2);
  });

  it('goes on after a restart of the agent', async () => {
    server.faults.push(cutAt(100_000, into));
    const cut = new AbortController();
    await expect(
      downloads().fetch(wanted({ signal: cut.signal, onWaiting: () => cut.abort(new Error('power')) })),
    ).rejects.toThrow('power');
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
    expect(ranges()).toEqual([undefined, 'bytes=100000-']);
  });

  it('begins anew when the server has another version', async () => {
    await writeFile(into, 'old bytes');
    await writeFile(`${into}.etag`, '"old"');
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
    expect(server.asked[0]).toMatchObject({ range: 'bytes=9-', ifRange: '"old"' });
  });

  it('begins anew when a server continues another version', async () => {
    await writeFile(into, 'old bytes');
    await writeFile(`${into}.etag`, '"old"');
    server.faults.push(answering(206, { etag: '"new"', 'content-range': `bytes 9-299999/300000` }));
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
    expect(ranges()).toEqual(['bytes=9-', undefined]);
  });

  it('begins anew when more is there than the server has', async () => {
    await writeFile(into, Buffer.concat([model, model]));
    await writeFile(`${into}.etag`, `"${digest}"`);
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
  });

  it('does not build on bytes without a tag', async () => {
    await writeFile(into, 'unknown bytes');
    await downloads().fetch(wanted());
    expect(ranges()).toEqual([undefined]);
  });

  it('bears wrong bytes once', async () => {
    server.faults.push(otherBytes);
    await downloads().fetch(wanted());
    expect(await readFile(into)).toEqual(model);
  });

  it('has failed for trust when the bytes are wrong each time', async () => {
    server.faults.push(otherBytes, otherBytes, otherBytes);
    await expect(downloads().fetch(wanted())).rejects.toMatchObject({
      failure: 'trust',
      message: `artifact ${digest} came with other bytes than its digest says, 3 times over`,
    });
    await expect(readFile(into)).rejects.toThrow('ENOENT');
  });

  it('takes no more bytes than the manifest says', async () => {
    await expect(downloads().fetch(wanted({ maxBytes: 1000 }))).rejects.toMatchObject({ failure: 'trust' });
  });

  it.each([404, 410, 403])('has failed for good at a %i', async (status) => {
    server.faults.push(answering(status));
    await expect(downloads().fetch(wanted())).rejects.toMatchObject({
      failure: 'transport',
      message: `the server does not give artifact ${digest}: it answers ${status}`,
    });
    expect(server.asked).toHaveLength(1);
  });

  it('waits as long as the server asks', async () => {
    server.faults.push(
      answering(503, { 'retry-after': '1' }),
      answering(429, { 'retry-after': new Date().toUTCString() }),
      answering(500),
    );
    const from = performance.now();
    await downloads().fetch(wanted());
    expect(performance.now() - from).toBeGreaterThan(990);
    expect(server.asked).toHaveLength(4);
  });

  it('gives a silent server up and asks again', async () => {
    server.faults.push(() => true);
    await downloads({ idleMs: 250 }).fetch(wanted());
    expect(server.asked.length).toBeGreaterThanOrEqual(2);
    expect(await readFile(into)).toEqual(model);
  });

  it('waits while there is no server', async () => {
    const { url } = server;
    await server.stop();
    const reasons: string[] = [];
    const away = new AbortController();
    const onWaiting = (reason: string) => reasons.push(reason) === 3 && away.abort(new Error('called off'));
    await expect(
      new Downloads({ baseUrl: url, backoff: { baseMs: 1, capMs: 1 } }).fetch(wanted({ signal: away.signal, onWaiting })),
    ).rejects.toThrow();
    expect(reasons[0]).toContain('ECONNREFUSED');
  });

  it('keeps to the bandwidth that it is given', async () => {
    const from = performance.now();
    await downloads({ limitKbps: 4800 }).fetch(wanted());
    expect(performance.now() - from).toBeGreaterThan(450); // 2.4 Mbit at 4.8 Mbit/s
  });

  it('says when the disk is full', async () => {
    const full = () =>
      new Writable({
        write: (_chunk, _encoding, done) => done(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
      });
    await expect(downloads({ openFile: full }).fetch(wanted())).rejects.toMatchObject({
      failure: 'space',
      message: `the disk is full: artifact ${digest} does not fit`,
    });
  });

  it('says when it may not write', async () => {
    await expect(downloads().fetch(wanted({ into: join(folder, 'nowhere', 'file') }))).rejects.toMatchObject({
      failure: 'space',
    });
    await mkdir(join(folder, 'nowhere'));
    await downloads().fetch(wanted({ into: join(folder, 'nowhere', 'file') }));
  });
});

describe('a download over HTTPS', () => {
  it('shows the certificate that the agent has now, and trusts its own CA only', async () => {
    const { ca, server: serverKey, device } = await certificates();
    const secure = await ArtifactServer.start({ ...serverKey, ca, requestCert: true, rejectUnauthorized: true });
    secure.put(model);
    try {
      const agent = new Agent({ ...device, ca });
      await new Downloads({ baseUrl: secure.url, agent: () => agent }).fetch(wanted());
      expect(await readFile(into)).toEqual(model);
      await rm(into);
      const stranger = new Downloads({ baseUrl: secure.url, agent: () => new Agent({ ca }), backoff: { baseMs: 1, capMs: 1 } });
      const away = new AbortController();
      const onWaiting = () => away.abort(new Error('turned away'));
      await expect(stranger.fetch(wanted({ signal: away.signal, onWaiting }))).rejects.toThrow('turned away');
    } finally {
      await secure.stop();
    }
  });
});

async function certificates() {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const pem = (key: Parameters<typeof KeyObject.from>[0]) =>
    KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string;
  const until = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const caKeys = await keys();
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=fleet',
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...until,
    extensions: [new BasicConstraintsExtension(true)],
  });
  const issue = async (subject: string) => {
    const { publicKey, privateKey } = await keys();
    const certificate = await X509CertificateGenerator.create({
      subject,
      issuer: ca.subject,
      publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      ...until,
      extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    });
    return { key: pem(privateKey), cert: certificate.toString('pem') };
  };
  return { ca: ca.toString('pem'), server: await issue('CN=server'), device: await issue('CN=device') };
}
