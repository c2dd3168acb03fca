import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { OpcUaSource } from '@flotilla/protocol/device';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  type UserIdentityInfo,
  UserTokenType,
} from 'node-opcua-client';
import { messageOf } from '../../errors.js';
import { SourceTrouble } from './persistent.js';

// It writes paragraphs to stdout; what matters comes as an error.
for (const logTo of [setDebugLogger, setWarningLogger, setErrorLogger]) logTo(() => {});

const modes = {
  none: MessageSecurityMode.None,
  sign: MessageSecurityMode.Sign,
  'sign-and-encrypt': MessageSecurityMode.SignAndEncrypt,
} as const;

/** No attempt of its own after the first: sessions are begun anew by the source. */
const connectionStrategy = { maxRetry: 0, initialDelay: 500, maxDelay: 1000 };
const transportTimeoutMs = 10_000;
const sessionTimeoutMs = 30_000;

/** With a certificate of its own, made when it is first needed and kept in the folder. */
export async function clientFor(config: OpcUaSource, folder: string): Promise<OPCUAClient> {
  const { security, policy = 'Basic256Sha256' } = config;
  return OPCUAClient.create({
    applicationName: 'Flotilla',
    applicationUri: `urn:${hostname()}:Flotilla`,
    clientName: 'Flotilla',
    securityMode: modes[security],
    securityPolicy: security === 'none' ? SecurityPolicy.None : SecurityPolicy[policy],
    clientCertificateManager: await certificates(config, folder),
    // Servers behind a router give addresses that this device can not reach.
    endpointMustExist: false,
    connectionStrategy,
    transportTimeout: transportTimeoutMs,
    requestedSessionTimeout: sessionTimeoutMs,
    keepSessionAlive: true,
  });
}

export async function identityOf({ username, passwordFile }: OpcUaSource): Promise<UserIdentityInfo> {
  if (username === undefined) return { type: UserTokenType.Anonymous };
  const password = passwordFile === undefined ? '' : (await read(passwordFile)).toString('utf8').trim();
  return { type: UserTokenType.UserName, userName: username, password };
}

export const pkiFolder = (folder: string) => join(folder, 'opcua-pki');

async function certificates({ serverCertificateFile }: OpcUaSource, folder: string): Promise<OPCUACertificateManager> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const manager = new OPCUACertificateManager({ rootFolder: pkiFolder(folder), automaticallyAcceptUnknownCertificate: false });
  await manager.initialize();
  if (serverCertificateFile !== undefined) await manager.trustCertificate(derOf(await read(serverCertificateFile)));
  return manager;
}

function derOf(written: Buffer): Buffer {
  const pem = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(written.toString('latin1'));
  return pem ? Buffer.from(pem[1]!, 'base64') : written;
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new SourceTrouble('failed', `${path} can not be read: ${messageOf(error)}`);
  }
}
