import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer, TLSSocket } from 'node:tls';
import { Digest, EnrolRequest, EnrolResponse, RenewRequest, RenewResponse, TenantId } from '@flotilla/protocol';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Attempts } from '../access/attempts.js';
import type { Enrolled, EnrolmentService } from '../access/enrolment.service.js';
import type { PublicUrls } from '../access/public-urls.js';
import type { ControlPlaneConfig } from '../config.js';
import type { DeviceRow } from '../fleet/device.entity.js';
import type { Artifacts } from '../platform/artifacts.js';
import { AppError } from '../platform/errors.js';
import type { Logger } from '../platform/logger.js';
import type { TrustService } from '../trust/trust.service.js';
import type { Broker } from './broker/broker.js';
import { wantedRange } from './byte-range.js';
import { answerProblems } from './device-api-problems.js';

export interface DeviceApiParts {
  config: Pick<ControlPlaneConfig, 'deviceApi'>;
  trust: TrustService;
  enrolment: EnrolmentService;
  artifacts: Artifacts;
  broker: Pick<Broker, 'publicUrl' | 'admit'>;
  urls: PublicUrls;
  log: Logger;
}

export interface DeviceApi {
  port: number;
  stop(): Promise<void>;
}

const maxBodyBytes = 64 * 1024;
const maxConnections = 10_000;
const headersWithinMs = 10_000;
const tenant = TenantId.parse('default');

/** Enrolment, renewal and downloads, over TLS of the fleet's own CA. Rejects with a sentence when it can't listen. */
export async function startDeviceApi(parts: DeviceApiParts): Promise<DeviceApi> {
  const app = fastify({
    https: secureOptions(parts.trust),
    bodyLimit: maxBodyBytes,
    requestTimeout: headersWithinMs,
    forceCloseConnections: true,
  });
  const server = app.server as unknown as TlsServer & { headersTimeout: number; maxConnections: number };
  server.headersTimeout = headersWithinMs;
  server.maxConnections = maxConnections;
  answerProblems(app, parts.log);
  enrolRoute(app, parts);
  renewRoute(app, parts);
  artifactRoute(app, parts);
  const forget = parts.trust.onCrl(() => server.setSecureContext(secureOptions(parts.trust)));
  const port = await listen(app, parts.config.deviceApi);
  parts.urls.deviceApiListens(port);
  return {
    port,
    stop: async () => {
      forget();
      await app.close();
    },
  };
}

async function listen(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    const message = `port ${port} on ${host} is in use: stop what listens there, or set FLOTILLA_DEVICE_API_PORT to a free one`;
    throw new Error(message, { cause });
  }
  return (app.server.address() as AddressInfo).port;
}

/** The one route without a client certificate: the claim token's secret speaks for the device. */
function enrolRoute(app: FastifyInstance, parts: DeviceApiParts): void {
  const attempts = new Attempts();
  app.post('/device/v1/enrol', async (request): Promise<EnrolResponse> => {
    const waitS = attempts.waitS(request.ip, Date.now());
    if (waitS > 0)
      throw new AppError('TOO_MANY_REQUESTS', `too many refused enrolments from ${request.ip}: try again in ${waitS} s`);
    try {
      const enrolled = await parts.enrolment.enrol(parse(EnrolRequest, request.body));
      await parts.broker.admit(enrolled.device);
      return enrolResponse(enrolled, parts);
    } catch (error) {
      if (error instanceof AppError) attempts.failed(request.ip, Date.now());
      throw error;
    }
  });
}

const enrolResponse = ({ device, certificatePem }: Enrolled, { trust, broker, urls }: DeviceApiParts): EnrolResponse => ({
  v: 1,
  tenant,
  device,
  certificate: certificatePem,
  ca: trust.caPem(),
  directorKey: trust.directorKey(),
  ...addresses({ broker, urls }),
});

/** Where devices find us from now on. */
const addresses = ({ broker, urls }: Pick<DeviceApiParts, 'broker' | 'urls'>) => ({
  mqttUrl: broker.publicUrl,
  deviceApiUrl: urls.deviceApi(),
});

function renewRoute(app: FastifyInstance, parts: DeviceApiParts): void {
  app.post('/device/v1/renew', async (request): Promise<RenewResponse> => {
    const row = await deviceOf(request, parts.enrolment);
    const { certificatePem } = await parts.enrolment.renew(row, parse(RenewRequest, request.body).csr);
    return { v: 1, certificate: certificatePem, ca: parts.trust.caPem(), ...addresses(parts) };
  });
}

function artifactRoute(app: FastifyInstance, { enrolment, artifacts }: DeviceApiParts): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    const { id, status } = await deviceOf(request, enrolment);
    if (status === 'pending') throw new AppError('DEVICE_PENDING', `device ${id} waits for somebody to approve it`);
    const { sha256 } = parse(z.object({ sha256: Digest }), request.params);
    const found = await artifacts.has(sha256);
    if (!found) throw new AppError('ARTIFACT_NOT_FOUND', `no artifact ${sha256}`);
    return sendArtifact(request, reply, { artifacts, digest: sha256, size: found.size });
  };
  app.route({ method: ['GET', 'HEAD'], url: '/device/v1/artifacts/:sha256', handler });
}

interface Download {
  artifacts: Artifacts;
  digest: Digest;
  size: number;
}

async function sendArtifact(
  request: FastifyRequest,
  reply: FastifyReply,
  { artifacts, digest, size }: Download,
): Promise<unknown> {
  const etag = `"${digest}"`;
  const { range, 'if-range': ifRange } = request.headers;
  const wanted = wantedRange(
    { ...(range !== undefined && { range }), ...(typeof ifRange === 'string' && { ifRange }) },
    etag,
    size,
  );
  reply.headers({
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, immutable',
    'content-type': 'application/octet-stream',
  });
  if (wanted.kind === 'unsatisfiable') return reply.code(416).header('content-range', `bytes */${size}`).send();
  const part = wanted.kind === 'part' ? wanted.range : { start: 0, end: size - 1 };
  if (wanted.kind === 'part') reply.code(206).header('content-range', `bytes ${part.start}-${part.end}/${size}`);
  reply.header('content-length', part.end - part.start + 1);
  if (request.method === 'HEAD') return reply.send();
  const { stream } = await artifacts.open(digest, wanted.kind === 'part' ? part : undefined);
  return reply.send(stream);
}

/** Asked at each request: a connection may outlive its certificate's revocation. */
async function deviceOf(request: FastifyRequest, enrolment: EnrolmentService): Promise<DeviceRow> {
  const socket = request.raw.socket as TLSSocket;
  const certificate = socket.getPeerCertificate();
  const name = certificate?.subject?.CN;
  if (socket.authorized && typeof name === 'string') return enrolment.deviceOf(name, certificate.serialNumber);
  const problem = String(socket.authorizationError ?? 'none was shown');
  if (problem === 'CERT_REVOKED') throw new AppError('DEVICE_REVOKED', 'the client certificate is revoked');
  throw new AppError('UNAUTHORIZED', `this route needs a client certificate of the fleet's CA: ${problem}`);
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) =>
    [...(path.length > 0 ? [path.join('.')] : []), message].join(': '),
  );
  throw new AppError('INVALID_REQUEST', issues.join('; '));
}

/** Certificates are asked for but not demanded, so that a device without one can enrol; no tickets, so that each is checked. */
const secureOptions = (trust: TrustService) => ({
  ...trust.serverTls(),
  requestCert: true,
  rejectUnauthorized: false,
  handshakeTimeout: headersWithinMs,
  minVersion: 'TLSv1.2' as const,
  secureOptions: constants.SSL_OP_NO_TICKET,
});
