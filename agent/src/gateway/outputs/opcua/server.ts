import { networkInterfaces, hostname as hostName } from 'node:os';
import type { OpcUaOutput } from '@flotilla/protocol/device';
import {
  MessageSecurityMode,
  SecurityPolicy,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  UserTokenType,
} from 'node-opcua-client';
import { OPCUAServer, type OPCUAServerOptions, RegisterServerMethod, Subscription } from 'node-opcua-server';
import type { Certificates } from './certificates.js';
import { mendMonitoredItems } from './monitored-items.js';
import { letOrphansGo } from './orphans.js';
import type { Users } from './users.js';

// It writes paragraphs to stdout; what matters comes as an error.
for (const logTo of [setDebugLogger, setWarningLogger, setErrorLogger]) logTo(() => {});

const { None, Sign, SignAndEncrypt } = MessageSecurityMode;
const modes = { 'sign-and-encrypt': [SignAndEncrypt], sign: [Sign, SignAndEncrypt], none: [None, Sign, SignAndEncrypt] };
const policies = [SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss];

/** What clients may ask for at most: all of it together is some tens of MB. */
const limits = {
  subscriptionsPerSession: 10,
  monitoredItems: 2000,
  nodesPerRequest: 1000,
  historiesPerRequest: 16,
  /** Bytes; the whole history of a variable is about 0.4 MB. */
  message: 4 * 2 ** 20,
  chunk: 64 * 2 ** 10,
  /** Of a connection: who keeps one renews its token, which lives ten minutes at most. Where there are too many, the library ends silent ones first. */
  silenceMs: 12 * 60_000,
  /** Of a subscription, where its client asks for less: a client that stood still for a while finds it again, with what waits for it. */
  subscriptionMs: 60_000,
};

type Parts = { settings: OpcUaOutput; device: string; certificates: Certificates; users: Users };

/** Throws where it can't be made; it listens only when it is started. */
export async function opcuaServer({ settings, device, certificates, users }: Parts): Promise<OPCUAServer> {
  mendMonitoredItems();
  Subscription.minimumLifetimeDuration = limits.subscriptionMs;
  const name = `Flotilla ${device}`;
  const { hostname, alternateHostname, ...where } = endpoint(settings);
  const server = new OPCUAServer({
    ...where,
    hostname,
    alternateHostname,
    ...capabilities(settings),
    serverInfo: {
      applicationUri: await certificates.own({ name, hosts: [hostname, ...alternateHostname] }),
      productUri: 'urn:flotilla',
      applicationName: { text: name },
    },
    buildInfo: { productName: 'Flotilla', productUri: 'urn:flotilla', manufacturerName: 'Flotilla' },
    serverCertificateManager: certificates.manager,
    userCertificateManager: certificates.noUsers,
    certificateFile: certificates.ownFile,
    userManager: {
      isValidUserAsync(name: string, password: string, callback: (error: Error | null, isValid?: boolean) => void) {
        void users.admits(name, password).then((isValid) => callback(null, isValid));
      },
    },
    registerServerMethod: RegisterServerMethod.HIDDEN,
    isAuditing: false,
  });
  await server.initialize();
  offerOnly(server, settings);
  letOrphansGo(server);
  return server;
}

/** The library offers logins by certificate, and by name where there are none, too. */
function offerOnly(server: OPCUAServer, { users }: OpcUaOutput): void {
  const ways = [UserTokenType.Anonymous, ...(users.length > 0 ? [UserTokenType.UserName] : [])];
  for (const description of server.endpoints.flatMap((its) => its.endpointDescriptions()))
    description.userIdentityTokens = (description.userIdentityTokens ?? []).filter(({ tokenType }) => ways.includes(tokenType));
}

function endpoint({ host, port, security, anonymous }: OpcUaOutput) {
  const isEverywhere = host === '0.0.0.0' || host === '::';
  return {
    host,
    port,
    hostname: isEverywhere ? hostName() : host,
    alternateHostname: [...(isEverywhere ? addresses() : []), ...(isEverywhere || host === '127.0.0.1' ? ['localhost'] : [])],
    securityModes: modes[security],
    securityPolicies: security === 'none' ? [SecurityPolicy.None, ...policies] : policies,
    allowAnonymous: anonymous !== 'no',
  };
}

/** Many clients take no endpoint that has another name than the one they know this device by. */
const addresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  );

function capabilities({ maxSessions }: OpcUaOutput): OPCUAServerOptions {
  return {
    // A client opens one to ask for endpoints before it opens its own.
    maxConnectionsPerEndpoint: 2 * maxSessions + 2,
    timeout: limits.silenceMs,
    serverCapabilities: {
      maxSessions,
      maxSubscriptions: maxSessions * limits.subscriptionsPerSession,
      maxSubscriptionsPerSession: limits.subscriptionsPerSession,
      maxMonitoredItems: limits.monitoredItems,
      maxMonitoredItemsPerSubscription: limits.monitoredItems,
      maxHistoryContinuationPoints: 10,
      maxBrowseContinuationPoints: 10,
      operationLimits: {
        maxNodesPerRead: limits.nodesPerRequest,
        maxNodesPerBrowse: limits.nodesPerRequest,
        maxNodesPerWrite: limits.nodesPerRequest,
        maxNodesPerMethodCall: limits.historiesPerRequest,
        maxMonitoredItemsPerCall: limits.nodesPerRequest,
        maxNodesPerTranslateBrowsePathsToNodeIds: limits.nodesPerRequest,
        maxNodesPerHistoryReadData: limits.historiesPerRequest,
      },
    },
    transportSettings: {
      adjustTransportLimits: ({ receiveBufferSize, sendBufferSize }) => ({
        receiveBufferSize: Math.min(receiveBufferSize || limits.chunk, limits.chunk),
        sendBufferSize: Math.min(sendBufferSize || limits.chunk, limits.chunk),
        maxMessageSize: limits.message,
        maxChunkCount: limits.message / 8192,
      }),
    },
  };
}
