import { X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { EnrolResponse, sha256, type ClaimToken, type Digest, type EnrolRequest } from '@flotilla/protocol/device';
import { certificateRequest } from './csr.js';
import { ApiRefusal, postJson } from './device-api.js';
import { messageOf } from '../errors.js';

/** `unreachable` is worth trying again; `refused` needs the operator. */
export class EnrolmentError extends Error {
  override readonly name = 'EnrolmentError';
  constructor(
    readonly kind: 'unreachable' | 'refused',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

type AboutDevice = Pick<EnrolRequest, 'name' | 'profile' | 'hardwareClass' | 'labels'>;

/**
 * Hands the claim token's secret to the server whose CA the token pins, and to no other. The same token with the same key
 * may be used again, so a power cut between the answer and its storage costs nothing.
 */
export async function enrol(token: ClaimToken, key: KeyObject, about: AboutDevice): Promise<EnrolResponse> {
  const ca = await fetchPinnedCa(token);
  const body: EnrolRequest = { v: 1, secret: token.secret, csr: certificateRequest(key), ...about };
  const answer = await post(token, body, ca);
  const response = EnrolResponse.safeParse(answer);
  if (!response.success)
    throw new EnrolmentError('refused', `${token.server} sent an answer that is no enrolment: update the agent.`);
  checkIssued(response.data, token, key);
  return response.data;
}

/** First connection: only looks. The second one, by HTTPS, verifies the server's certificate against what was found. */
async function fetchPinnedCa({ server, ca }: ClaimToken): Promise<string> {
  const chain = await peerChain(new URL(server));
  const pinned = chain.find((der) => sha256(der) === ca);
  if (pinned) return new X509Certificate(pinned).toString();
  throw new EnrolmentError(
    'refused',
    `The server at ${server} is not the one that made this claim token (its certificate is from another CA): nothing was sent; check the address, or make a new token.`,
  );
}

const handshakeTimeoutMs = 10_000;

function peerChain(url: URL): Promise<Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const name = isIP(host) ? {} : { servername: host };
  const socket = connect({ host, port: Number(url.port || 443), ...name, rejectUnauthorized: false });
  socket.setTimeout(handshakeTimeoutMs, () =>
    socket.destroy(new Error(`no TLS handshake within ${handshakeTimeoutMs / 1000} s`)),
  );
  const failed = (cause: Error) =>
    reject(
      new EnrolmentError('unreachable', `Cannot reach ${url.origin} (${messageOf(cause)}): is the control plane running?`, {
        cause,
      }),
    );
  socket.on('error', failed);
  socket.on('close', () => failed(new Error('the connection was closed')));
  socket.on('secureConnect', () => {
    resolve(certificatesOf(socket.getPeerCertificate(true)));
    socket.destroy();
  });
  return promise;
}

/** Leaf first; a root is its own issuer. */
function certificatesOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw; at = at.issuerCertificate) {
    if (chain.some((der) => der.equals(at!.raw))) break;
    chain.push(at.raw);
  }
  return chain;
}

async function post({ server }: ClaimToken, body: EnrolRequest, ca: string): Promise<unknown> {
  try {
    return await postJson(new URL('/device/v1/enrol', server), body, { ca });
  } catch (cause) {
    if (cause instanceof ApiRefusal) throw refusal(server, cause);
    throw new EnrolmentError('unreachable', `Cannot enrol at ${server} (${messageOf(cause)}).`, { cause });
  }
}

function refusal(server: string, cause: ApiRefusal): EnrolmentError {
  const message = `${server} refused the enrolment: ${cause.message.replace(/\.$/, '')} (${cause.code}).`;
  // Overload passes; a token that is unknown, used or expired does not come back.
  const passes = cause.status >= 500 || cause.status === 429;
  return new EnrolmentError(passes ? 'unreachable' : 'refused', message, { cause });
}

/** What came must be of the pinned CA and for our key: else no connection would ever work, and the reason would be far away. */
function checkIssued({ ca, certificate }: EnrolResponse, token: ClaimToken, key: KeyObject): void {
  const root = new X509Certificate(ca);
  const issued = new X509Certificate(certificate);
  if (digestOf(root) === token.ca && issued.verify(root.publicKey) && issued.checkPrivateKey(key)) return;
  throw new EnrolmentError(
    'refused',
    `${token.server} sent a certificate that does not fit this device's key and the pinned CA.`,
  );
}

const digestOf = (certificate: X509Certificate): Digest => sha256(certificate.raw);
