import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { DataSource } from 'typeorm';
import { EnrolmentService } from './access/enrolment.service.js';
import { PublicUrls } from './access/public-urls.js';
import type { ControlPlaneConfig } from './config.js';
import { closeDatabase } from './close-database.js';
import type { Broker } from './link/broker/broker.js';
import { startBroker } from './link/broker/start-broker.js';
import { startDeviceApi } from './link/device-api.js';
import { MqttLink } from './link/mqtt-client.js';
import { buildOperatorApi } from './operator-api.js';
import { Artifacts } from './platform/artifacts.js';
import { Counters } from './platform/counters.js';
import { openDataFolder } from './platform/data-folder.js';
import { openDatabase } from './platform/database.js';
import type { Logger } from './platform/logger.js';
import { startEmbeddedPostgres } from './platform/postgres/embedded-postgres.js';
import { type Clock, systemClock } from './platform/tokens.js';
import { StopList } from './stop-list.js';
import { serverHosts } from './trust/server-hosts.js';
import { TrustService } from './trust/trust.service.js';

export interface ControlPlaneOptions {
  log: Logger;
  /** `$XDG_RUNTIME_DIR`: where the embedded database's socket goes. */
  runtimeDir?: string | undefined;
  clock?: Clock;
}

export interface ControlPlane {
  urls: { http: string; deviceApi: string; mqtt: string };
  adminTokenFile: string;
  app: NestFastifyApplication;
  /** Everything that was started, in the reverse order; the same promise however often it is asked for. */
  stop(): Promise<void>;
}

/** The whole control plane in this process (and its children). Rejects with one sentence, leaving nothing behind. */
export async function startControlPlane(config: ControlPlaneConfig, options: ControlPlaneOptions): Promise<ControlPlane> {
  const stops = new StopList(options.log);
  try {
    return await start(config, options, stops);
  } catch (error) {
    await stops.stop();
    throw error;
  }
}

async function start(config: ControlPlaneConfig, options: ControlPlaneOptions, stops: StopList): Promise<ControlPlane> {
  const { log, clock = systemClock } = options;
  const startedAt = clock.now();
  const folder = await openDataFolder(config.dataDir);
  stops.add('data folder', () => folder.close());
  const trust = await TrustService.open(folder, serverHosts(config), () => clock.now());
  stops.add('trust', () => trust.stop());
  const db = await startDatabase(config, folder.dir, options, stops);
  // The broker starts before there are counters to count with.
  let count: Counters['count'] = () => undefined;
  const broker = await startBroker({ config, trust, log, counters: { count: (name, by) => count(name, by) } });
  stops.add('broker', () => broker.stop());
  const link = linkTo(broker, trust, log);
  const app = await buildOperatorApi({
    config: { ...config, dataDir: folder.dir },
    db,
    artifacts: new Artifacts(folder.path('artifacts')),
    log,
    clock,
    trust,
    link: { link, broker },
    surroundings: {
      startedAt,
      database: config.databaseUrl === undefined ? 'embedded' : 'external',
      broker: () => ({ kind: broker.kind, connected: link.connected }),
      certificates: () => trust.ends(),
    },
  });
  stops.add('operator API and link', () => app.close());
  const counters = app.get(Counters);
  count = (name, by) => counters.count(name, by);
  await app.init();
  await startDevicesSide(app, { config, trust, broker, log }, stops);
  const http = await listen(app, config.http);
  const urls = { http, deviceApi: app.get(PublicUrls).deviceApi(), mqtt: broker.publicUrl };
  return { urls, adminTokenFile: folder.path('admin-token'), app, stop: () => stops.stop() };
}

async function startDatabase(
  { databaseUrl }: ControlPlaneConfig,
  dataDir: string,
  { log, runtimeDir }: ControlPlaneOptions,
  stops: StopList,
): Promise<DataSource> {
  const url = databaseUrl ?? (await startEmbedded());
  const db = await openDatabase(url, log);
  stops.add('database connections', () => closeDatabase(db));
  return db;

  async function startEmbedded(): Promise<string> {
    const server = await startEmbeddedPostgres({ dataDir, log, runtimeDir });
    stops.add('embedded database', () => server.stop());
    return server.url;
  }
}

function linkTo(broker: Broker, trust: TrustService, log: Logger): MqttLink {
  const { url, kind, credentials } = broker;
  return new MqttLink({ url, kind, credentials, tls: () => trust.controlPlaneTls(), log });
}

type DevicesSide = { config: ControlPlaneConfig; trust: TrustService; broker: Broker; log: Logger };

async function startDevicesSide(app: NestFastifyApplication, parts: DevicesSide, stops: StopList): Promise<void> {
  const api = await startDeviceApi({
    ...parts,
    enrolment: app.get(EnrolmentService),
    artifacts: app.get(Artifacts),
    urls: app.get(PublicUrls),
  });
  stops.add('device API', () => api.stop());
}

async function listen(app: NestFastifyApplication, { host, port }: ControlPlaneConfig['http']): Promise<string> {
  try {
    // Fastify's own: Nest's would log the failure before we can say it in a sentence.
    await (app.getHttpAdapter().getInstance() as FastifyInstance).listen({ port, host });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    const message = `port ${port} on ${host} is in use: stop what listens there, or set FLOTILLA_HTTP_PORT to a free one`;
    throw new Error(message, { cause });
  }
  const { port: bound } = app.getHttpServer().address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}
