import { randomUUID, type KeyObject } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { matches, slotMemoryBytes } from '@flotilla/firmware-profiles';
import { BootId, DeviceConfig, type Command, type DesiredState } from '@flotilla/protocol/device';
import { satisfies } from 'semver';
import type { AgentConfig } from '../config.js';
import { Alarms, type Alarm } from './alarms.js';
import { BoardLog } from './board-log.js';
import { answer } from './commands.js';
import { CredentialFiles } from './credential-files.js';
import { CurrentIdentity } from './current-identity.js';
import { Downloads } from './downloads.js';
import type { Hardware, Versions } from './hardware.js';
import type { HeadStart } from './head-start.js';
import { GatewayConfiguration } from './gateway-configuration.js';
import { GatewayProcess } from './gateway-process.js';
import { acceptedFile, deviceOf, gatewaySlots } from './gateway-slots.js';
import type { ListeningSocket } from './listening-socket.js';
import { keyThumbprint, validity, type Identity } from './identity.js';
import type { Logging } from './logger.js';
import { MqttLink } from './mqtt-link.js';
import { Outbox } from './outbox.js';
import { Records } from './records.js';
import { Renewal } from './renewal.js';
import type { RunnerProgram } from './runner-process.js';
import { findSensors } from './sensors.js';
import { loadSession, saveSession } from './session-number.js';
import { Session } from './session.js';
import { SlotStatuses } from './slot-statuses.js';
import { Slots } from './slots.js';
import { Trust } from './trust.js';
import { TrustedClock } from './trusted-clock.js';
import { Uplink } from './uplink.js';
import { VitalsSampler } from './vitals.js';

interface Start {
  readonly config: AgentConfig;
  readonly logging: Logging;
  readonly versions: Versions;
  readonly hardware: Hardware;
  readonly program: RunnerProgram;
  readonly headStart: HeadStart;
  readonly gateway: { readonly path: string; readonly http?: ListeningSocket | undefined };
  readonly brokerPath: string;
  readonly key: KeyObject;
  readonly identity: Identity;
  /** A bug that leaves nothing but to end and be started again. */
  readonly onFatal: (error: Error) => void;
}
/** What everything else is built on; it needs no network. */
type Base = Start & {
  readonly boot: BootId;
  readonly current: CurrentIdentity;
  readonly clock: TrustedClock;
  readonly trust: Trust;
  readonly outbox: Outbox;
  readonly onAlarm: (alarm: Alarm) => void;
};

const keptPredictionFiles = 4;
const outboxAgeS = 30 * 86_400;
/** Pictures wait in it, one or two a slot; what holds more than this has a fault. */
const mostGatewayMb = 600;
const megabyte = 2 ** 20;
/** A supervisor that was told to go is gone within two seconds. */
const partingMs = 1500;
const uptime = () => performance.now() / 1000;

/** Builds the supervisor and starts it: slots first, then the network. Gives what ends it. */
export async function run(start: Start): Promise<() => Promise<void>> {
  const { base, restored } = await open(start);
  const { outbox, current, clock, trust, onAlarm, hardware, logging } = base;
  const config = restored?.desired.config ?? DeviceConfig.parse({});
  const board = new BoardLog(findSensors(hardware.profile), uptime);
  const held = { runnerRssBytes: () => slots.runnerRssBytes(), serving: () => slots.serving };
  const records: Records = new Records({ ...base, uptime, board, sampler: new VitalsSampler(board), ...held });
  const broker = await beginBroker(base);
  const gateway = makeGateway(base);
  const statuses = new SlotStatuses((status) => gateway.tell(status));
  const slots: Slots = buildSlots(base, records, statuses, config.windowS);
  await slots.start();
  if (restored && !restored.expired) slots.apply(restored.desired);
  const gatewayConfiguration = configureGateway(base, gateway, records);
  gatewayConfiguration.start(restored?.desired);
  await outbox.opened;
  records.vitalsEvery(config.windowS);

  const { link, session } = connect(base, { records, slots, gatewayConfiguration }, config);
  const renewal = new Renewal({
    key: current.key,
    identity: () => current.value,
    onRenewed: (identity) => current.renew(identity),
    onAlarm,
    now: () => clock.now(),
    random: Math.random,
    log: logging.log,
  });
  link.start();
  renewal.start();
  logging.log.info({ device: current.value.device, profile: hardware.profile.id, epoch: trust.epoch }, 'running');
  return async () => {
    renewal.stop();
    records.stop();
    // What the gateway still says on its way out is heard.
    await Promise.all([part(slots, session, link, logging), gateway.stop().then(() => broker?.stop())]);
    await outbox.close();
  };
}

async function open(start: Start): Promise<{ base: Base; restored: Awaited<ReturnType<Trust['restore']>> }> {
  const { config, identity, key, logging, onFatal } = start;
  const boot = BootId.parse(randomUUID());
  const alarms = new Alarms(boot, uptime, logging.log);
  const onAlarm = (alarm: Alarm) => alarms.raise(alarm);
  const current = new CurrentIdentity(config.data, key, identity);
  const clock = new TrustedClock(join(config.data, 'clock.json'), Date.now, validity(identity.certificate).from);
  const thumbprint = await keyThumbprint(key);
  const anchor = { directorKey: identity.directorKey, device: identity.device, keyThumbprint: thumbprint };
  const trust = new Trust({ anchor, file: join(config.data, 'desired.jws'), clock, onAlarm });
  const { outboxMb, unwrittenS } = config.limits;
  const limits = { maxBytes: outboxMb * megabyte, maxAgeS: outboxAgeS };
  const file = join(config.data, 'outbox.db');
  const outbox = new Outbox({ file, thumbprint, limits, unwrittenS, onAlarm, onDeath: onFatal });
  const restored = await trust.restore();
  alarms.deliverTo((event) => outbox.append(event));
  return { base: { ...start, boot, current, clock, trust, outbox, onAlarm }, restored };
}

function buildSlots(
  { config, program, headStart, hardware, versions, current, clock, onAlarm }: Base,
  records: Records,
  statuses: SlotStatuses,
  windowS: number,
): Slots {
  return new Slots({
    dataDir: config.data,
    slots: config.slots,
    headStart,
    limits: { ...hardware.limits, maxRunMs: config.limits.maxRunS * 1000 },
    threads: hardware.threads,
    engines: hardware.engines,
    swap: {
      mode: config.swap ?? hardware.profile.memory.swap,
      budgetBytes: slotMemoryBytes(hardware.profile, hardware.facts),
    },
    capability: capabilityOf(hardware, versions),
    hardwareClass: hardware.hardwareClass,
    downloads: new Downloads({
      baseUrl: current.value.deviceApiUrl,
      agent: () => current.agent,
      limitKbps: config.limits.downloadKbps,
    }),
    storeBytes: config.limits.storeMb * megabyte,
    windowS,
    predictions: {
      maxBytes: Math.floor((config.limits.predictionsMb * megabyte) / (keptPredictionFiles + 1)),
      keep: keptPredictionFiles,
    },
    program,
    clock: () => clock.now(),
    onEvent: (report) => records.update(report),
    onWindow: (window) => records.window(window),
    onAlarm: (name, message, slot) => onAlarm({ name, message, slot }),
    onState: (slot, state) => statuses.take(slot, state),
  });
}

function makeGateway({ config, gateway: { path, http }, program, current, onAlarm }: Base): GatewayProcess {
  const expose = config.gateway?.expose;
  return new GatewayProcess({
    path,
    http,
    credentials: expose && new CredentialFiles({}, expose, program.log),
    env: program.env,
    log: program.log,
    dataDir: config.data,
    device: current.value.device,
    maxRssBytes: mostGatewayMb * megabyte,
    onAlarm: (name, message) => onAlarm({ name, message }),
  });
}

/** Where `agent.yaml` wants one on this device; what it needs is loaded only then. */
async function beginBroker({ config, brokerPath, program, onAlarm }: Base): Promise<{ stop: () => Promise<void> } | undefined> {
  if (!config.broker) return undefined;
  const { BrokerProcess } = await import('./broker-process.js');
  const broker = new BrokerProcess({
    path: brokerPath,
    settings: config.broker,
    env: program.env,
    log: program.log,
    onAlarm: (name, message) => onAlarm({ name, message }),
  });
  broker.start();
  return broker;
}

/** By `agent.yaml` and the desired state together. */
const configureGateway = ({ config, logging }: Base, gateway: GatewayProcess, records: Records) =>
  new GatewayConfiguration({
    file: join(config.data, acceptedFile),
    device: deviceOf(config),
    log: logging.log,
    onConfigured: (effective) => gateway.configure(gatewaySlots(config.slots, effective)),
    onReport: (report) => records.configuration(report),
  });

const capabilityOf = ({ profile, facts, providers }: Hardware, { agent, onnxRuntime }: Versions) => ({
  agent,
  ort: onnxRuntime,
  providers,
  precisions: profile.precisions,
  memoryMb: Math.floor(slotMemoryBytes(profile, facts) / megabyte),
  fits: (profiles: readonly string[] | undefined) => matches(profile, profiles, facts),
  satisfies: (version: string, range: string) => satisfies(version, range, { includePrerelease: true }),
});

type Parts = { records: Records; slots: Slots; gatewayConfiguration: GatewayConfiguration };
/** Link, session and uplink, which know each other. */
function connect(base: Base, parts: Parts, config: DeviceConfig): { link: MqttLink; session: Session } {
  const { records, slots } = parts;
  const { current, outbox, trust, boot, clock, onAlarm, logging, hardware, versions } = base;
  const { log } = logging;
  const sessionFile = join(base.config.data, 'session.json');
  const handlers = {
    up: () => session.linkUp(),
    down: (reason: string) => {
      log.info({ reason }, 'no connection to the broker; trying again');
      session.linkDown();
    },
    message: (...message: Parameters<Session['message']>) => session.message(...message),
  };
  const { mqttUrl, tenant, device } = current.value;
  const link = new MqttLink({
    url: mqttUrl,
    tenant,
    device,
    tls: () => current.tls(),
    will: () => session.will(),
    handlers,
    random: Math.random,
  });
  const uplink = new Uplink({ link, outbox, boot, uptime, log, uploadS: config.uploadS });
  const notes = hardware.notes.map((note) => note.slice(0, 500)).slice(0, 16);
  const { profile, hardwareClass } = hardware;
  const session = new Session({
    link,
    outbox,
    trust,
    uplink,
    uptime,
    log,
    onAlarm,
    random: Math.random,
    session: loadSession(sessionFile),
    saveSession: (number) => saveSession(sessionFile, number),
    about: () => ({ boot, agent: versions.agent, profile: profile.id, hardwareClass, notes, slots: slots.reported() }),
    onServerTime: (serverTime) => clock.told(serverTime),
    onDesired: (desired) => obey(desired, { ...parts, uplink, session }),
    onCommand: (command) => reply(command, base, records, () => diagnose(base, slots, session)),
    heartbeatS: config.heartbeatS,
  });
  outbox.onChange(() => {
    session.streamChanged();
    uplink.pump();
  });
  return { link, session };
}

type Obedient = Parts & { uplink: Uplink; session: Session };
function obey(desired: DesiredState, { slots, records, gatewayConfiguration, uplink, session }: Obedient): void {
  slots.apply(desired);
  gatewayConfiguration.apply(desired);
  records.vitalsEvery(desired.config.windowS);
  uplink.uploadEvery(desired.config.uploadS);
  session.heartbeatEvery(desired.config.heartbeatS);
}

function reply(command: Command, { logging }: Base, records: Records, diagnosis: () => Promise<object>): void {
  answer(command, diagnosis, (maxLength) => logging.recent(maxLength))
    .then((answered) => records.reply(answered))
    .catch((error: unknown) => logging.log.error({ error, command: command.command }, 'a command failed'));
}

async function diagnose(
  { config, versions, hardware, current, trust, outbox }: Base,
  slots: Slots,
  session: Session,
): Promise<object> {
  const { bavail, blocks, bsize } = await statfs(config.data);
  return {
    versions: { ...versions, node: process.versions.node },
    hardwareClass: hardware.hardwareClass,
    uptimeS: Math.round(uptime()),
    disk: { freeBytes: bavail * bsize, totalBytes: blocks * bsize },
    certificateUntil: new Date(current.validUntil).toISOString(),
    epoch: trust.epoch,
    slots: slots.reported(),
    outbox: outbox.state,
    refused: trust.refused,
    dropped: session.dropped,
  };
}

/** Runners end while the goodbye is on its way; what takes too long is left behind. */
async function part(slots: Slots, session: Session, link: MqttLink, { log }: Logging): Promise<void> {
  const goodbye = async () => {
    try {
      await session.goodbye();
    } finally {
      await link.stop();
    }
  };
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), partingMs);
  const parted = await Promise.race([Promise.allSettled([slots.stop(), goodbye()]), late.promise]);
  clearTimeout(timer);
  for (const done of parted ?? [])
    if (done.status === 'rejected') log.debug({ error: done.reason as unknown }, 'not ended cleanly');
}
