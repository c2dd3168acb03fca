import { randomUUID, type KeyObject } from 'node:crypto';
import { Agent } from 'node:https';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { matches, slotMemoryBytes } from '@flotilla/firmware-profiles';
import { BootId, DeviceConfig, type DesiredState, type Vitals } from '@flotilla/protocol';
import { satisfies } from 'semver';
import type { AgentConfig } from '../config.js';
import { Alarms } from './alarms.js';
import { answer } from './commands.js';
import { Downloads } from './downloads.js';
import type { Hardware, Versions } from './hardware.js';
import { credentials, keyThumbprint, saveIdentity, validity, type Identity } from './identity.js';
import type { Logging } from './logger.js';
import { MqttLink } from './mqtt-link.js';
import { Outbox } from './outbox.js';
import { Renewal } from './renewal.js';
import { findSensors } from './sensors.js';
import { loadSession, saveSession } from './session-number.js';
import { Session } from './session.js';
import { Slots } from './slots.js';
import { Trust } from './trust.js';
import { TrustedClock } from './trusted-clock.js';
import { Uplink } from './uplink.js';
import { VitalsSampler } from './vitals.js';

export interface Start {
  readonly config: AgentConfig;
  readonly env: NodeJS.ProcessEnv;
  readonly logging: Logging;
  readonly versions: Versions;
  readonly hardware: Hardware;
  readonly key: KeyObject;
  readonly identity: Identity;
  /** A bug that leaves nothing but to end and be started again. */
  readonly onFatal: (error: Error) => void;
}

const keptPredictionFiles = 4;
const outboxAgeS = 30 * 86_400;
const megabyte = 2 ** 20;
/** A supervisor that was told to go is gone within two seconds. */
const partingMs = 1500;
const runnerPath = fileURLToPath(new URL('../runner/main.js', import.meta.url));
const uptime = () => performance.now() / 1000;

/** Builds the supervisor and starts it: slots first, then the network. Gives what ends it. */
export async function run({ config, env, logging, versions, hardware, key, onFatal, ...start }: Start): Promise<() => Promise<void>> {
  const { log } = logging;
  const at = (name: string) => join(config.data, name);
  const boot = BootId.parse(randomUUID());
  const alarms = new Alarms(boot, uptime, log);
  const onAlarm = alarms.raise.bind(alarms);
  let identity = start.identity;
  let httpsAgent = new Agent({ ...credentials(key, identity), keepAlive: true });

  const thumbprint = await keyThumbprint(key);
  const clock = new TrustedClock(at('clock.json'), Date.now, validity(identity.certificate).from);
  const anchor = { directorKey: identity.directorKey, device: identity.device, keyThumbprint: thumbprint };
  const trust = new Trust({ anchor, file: at('desired.jws'), clock, onAlarm });
  const restored = await trust.restore();
  let deviceConfig: DeviceConfig = restored?.desired.config ?? DeviceConfig.parse({});

  const limits = { maxBytes: config.limits.outboxMb * megabyte, maxAgeS: outboxAgeS };
  const outbox = await Outbox.open({ file: at('outbox.db'), thumbprint, limits, onAlarm, onDeath: onFatal });
  alarms.deliverTo((event) => outbox.append(event));

  const slots = new Slots({
    dataDir: config.data,
    slots: Object.fromEntries(Object.entries(config.slots).map(([name, slot]) => [name, { listen: slot.listen.http, source: slot.source }])),
    limits: hardware.limits,
    capability: capabilityOf(hardware, versions),
    hardwareClass: hardware.hardwareClass,
    downloads: new Downloads({ baseUrl: identity.deviceApiUrl, agent: () => httpsAgent, limitKbps: config.limits.downloadKbps }),
    storeBytes: config.limits.storeMb * megabyte,
    windowS: deviceConfig.windowS,
    predictions: { maxBytes: Math.floor((config.limits.predictionsMb * megabyte) / (keptPredictionFiles + 1)), keep: keptPredictionFiles },
    runnerPath,
    runnerEnv: { ...env, FLOTILLA_LOG_LEVEL: config.logLevel },
    log,
    onEvent: (report) => outbox.append({ type: 'update', boot, uptime: uptime(), ...report }),
    onWindow: ({ durationS, window }) => outbox.append({ ...window, boot, start: Math.max(0, uptime() - durationS), end: uptime() }),
    onAlarm: (name, message, slot) => onAlarm({ name, message, slot }),
  });
  await slots.start();
  if (restored && !restored.expired) slots.apply(restored.desired);

  const link = new MqttLink({
    url: identity.mqttUrl,
    tenant: identity.tenant,
    device: identity.device,
    tls: () => credentials(key, identity),
    will: () => session.will(),
    handlers: {
      up: () => session.linkUp(),
      down: (reason) => {
        log.info({ reason }, 'no connection to the broker; trying again');
        session.linkDown();
      },
      message: (kind, payload) => session.message(kind, payload),
    },
    random: Math.random,
  });
  const uplink = new Uplink({ link, outbox, boot, uptime, log, uploadS: deviceConfig.uploadS });
  const session = new Session({
    link,
    outbox,
    trust,
    uplink,
    uptime,
    log,
    onAlarm,
    random: Math.random,
    session: loadSession(at('session.json')),
    saveSession: (number) => saveSession(at('session.json'), number),
    about: () => ({
      boot,
      agent: versions.agent,
      profile: hardware.profile.id,
      hardwareClass: hardware.hardwareClass,
      notes: hardware.notes.map((note) => note.slice(0, 500)).slice(0, 16),
      slots: slots.reported(),
    }),
    onServerTime: (serverTime) => clock.told(serverTime),
    onDesired: (desired) => applyDesired(desired),
    onCommand: (command) => {
      answer(command, diagnose, (maxLength) => logging.recent(maxLength))
        .then((reply) => outbox.append({ type: 'reply', boot, uptime: uptime(), ...reply }))
        .catch((error: unknown) => log.error({ error, command: command.command }, 'a command failed'));
    },
  });
  outbox.onChange(() => {
    session.streamChanged();
    uplink.pump();
  });

  const sampler = new VitalsSampler(hardware.profile, findSensors(hardware.profile));
  let sampledAt = uptime();
  let vitalsTimer = setInterval(recordVitals, deviceConfig.windowS * 1000);
  function recordVitals(): void {
    const { records, bytes, dropped } = outbox.state;
    const start = sampledAt;
    sampledAt = uptime();
    const counts = { outboxRecords: records, outboxBytes: bytes, outboxDropped: dropped };
    const vitals: Vitals = { type: 'vitals', boot, start, end: sampledAt, ...sampler.sample(), ...counts, runnerRssBytes: slots.runnerRssBytes() };
    outbox.append(vitals);
  }

  function applyDesired(desired: DesiredState): void {
    slots.apply(desired);
    const before = deviceConfig;
    deviceConfig = desired.config;
    uplink.uploadEvery(deviceConfig.uploadS);
    session.heartbeatEvery(deviceConfig.heartbeatS);
    if (before.windowS === deviceConfig.windowS) return;
    clearInterval(vitalsTimer);
    vitalsTimer = setInterval(recordVitals, deviceConfig.windowS * 1000);
  }

  async function diagnose(): Promise<object> {
    const { bavail, blocks, bsize } = await statfs(config.data);
    return {
      versions: { ...versions, node: process.versions.node },
      hardwareClass: hardware.hardwareClass,
      uptimeS: Math.round(uptime()),
      disk: { freeBytes: bavail * bsize, totalBytes: blocks * bsize },
      certificateUntil: new Date(validity(identity.certificate).to).toISOString(),
      epoch: trust.epoch,
      slots: slots.reported(),
      outbox: outbox.state,
      refused: trust.refused,
      dropped: session.dropped,
    };
  }

  const renewal = new Renewal({
    key,
    identity: () => identity,
    onRenewed: (renewed) => {
      saveIdentity(config.data, renewed);
      identity = renewed;
      httpsAgent.destroy();
      httpsAgent = new Agent({ ...credentials(key, identity), keepAlive: true });
    },
    onAlarm,
    now: () => clock.now(),
    random: Math.random,
    log,
  });
  async function sayGoodbye(): Promise<void> {
    try {
      await session.goodbye();
    } finally {
      await link.stop();
    }
  }

  session.heartbeatEvery(deviceConfig.heartbeatS);
  link.start();
  renewal.start();
  log.info({ device: identity.device, profile: hardware.profile.id, slots: Object.keys(config.slots) }, 'running');

  return async () => {
    renewal.stop();
    clearInterval(vitalsTimer);
    const parted = await withinMs(partingMs, Promise.allSettled([slots.stop(), sayGoodbye()]));
    for (const part of parted ?? []) if (part.status === 'rejected') log.debug({ error: part.reason as unknown }, 'not ended cleanly');
    await outbox.close();
    httpsAgent.destroy();
  };
}

/** The value, or undefined when it takes longer. */
function withinMs<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

const capabilityOf = ({ profile, facts, providers }: Hardware, { agent, onnxRuntime }: Versions) => ({
  agent,
  ort: onnxRuntime,
  providers,
  precisions: profile.precisions,
  memoryMb: Math.floor(slotMemoryBytes(profile, facts) / megabyte),
  fits: (profiles: readonly string[] | undefined) => matches(profile, profiles, facts),
  satisfies: (version: string, range: string) => satisfies(version, range, { includePrerelease: true }),
});
