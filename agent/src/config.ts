import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describeIssues, DeviceId, ExecutionProvider, SlotName, SlotPipeline } from '@flotilla/protocol/device';
import { parse } from 'yaml';
import { z } from 'zod';
import { brokerFile, brokerFrom } from './device-broker.js';
import { Exposure, exposureComplaint, exposureFrom, gatewayComplaint } from './exposure.js';
import { pipelineFrom } from './source-paths.js';

/** The configuration cannot be used: one line for each thing wrong. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** `host:port`, an IPv6 host in brackets; port 0 takes a free one. */
const Address = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { host: (match[1] ?? match[2])!, port };
  context.addIssue({ code: 'custom', message: `"${text}" is not host:port, such as 127.0.0.1:8000` });
  return z.NEVER;
});

const ListenFile = z
  .strictObject({ http: Address.optional(), grpc: Address.optional(), unix: z.string().min(1).optional() })
  .refine((listen) => Object.values(listen).some((address) => address !== undefined), {
    error: 'names no address; give http, grpc or unix one, such as http: 127.0.0.1:8000',
  });
const SlotFile = z.strictObject({
  listen: ListenFile,
  ...SlotPipeline.shape,
  /** Inferences side by side, each with its own copy of the weights; the profile's number where it is not said. */
  workers: z.int().min(1).max(64).optional(),
  expose: Exposure.optional(),
});
/** A program that computes models in place of the engine built into the runner: docs/engine-protocol.md. */
const EngineFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be up to 32 lower case letters, digits and "-"'),
  command: z.array(z.string().min(1)).min(1),
  env: z.record(z.string().min(1), z.string()).default({}),
  /** What it is used for; absent: all that it has but the CPU. */
  providers: z.array(ExecutionProvider).min(1).optional(),
});
const RemotelyOpen = z.strictObject({
  /** That it may name files of: without one, it may name none but cameras and serial lines. */
  folders: z.array(z.string().min(1)).max(64).default([]),
  /** Beyond this device: where outputs may listen, and whom they may send to. */
  outputs: z
    .strictObject({ listen: z.array(Address).max(64).default([]), to: z.array(Address).max(64).default([]) })
    .prefault({}),
});
/** Whether the control plane may say what the gateway does, and how much of the device and its network is open to it. */
const RemoteConfiguration = z.union([z.enum(['accept', 'refuse']), RemotelyOpen]).transform((written) => ({
  accept: written !== 'refuse',
  ...(typeof written === 'string' ? RemotelyOpen.parse({}) : written),
}));
const megabytes = (min: number, fallback: number) => z.number().min(min).max(1_000_000).default(fallback);

/** `agent.yaml` as people write it: an unknown key is an error. */
const AgentFile = z.strictObject({
  /** https://host:port of the control plane's device API; the claim token and the enrolment name it too. */
  server: z.url({ protocol: /^https$/, error: 'must be an https URL such as https://flotilla.example:8443' }).optional(),
  data: z.string().min(1),
  labels: z.record(z.string().min(1).max(64), z.string().max(128)).default({}),
  name: DeviceId.optional(),
  slots: z.record(SlotName, SlotFile).default({}),
  limits: z
    .strictObject({
      downloadKbps: z.number().min(1).max(10_000_000).optional(),
      storeMb: megabytes(10, 500),
      outboxMb: megabytes(1, 50),
      predictionsMb: megabytes(1, 50),
      /** Seconds of windows and vitals that wait for one write to the disk: what a power cut may cost. */
      unwrittenS: z.number().min(0).max(600).default(30),
      /** Seconds of one inference; one that takes longer hangs, and its runner is ended. */
      maxRunS: z.number().min(0.5).max(3600).default(30),
    })
    .prefault({}),
  /** Of the process that owns sources and triggers. */
  gateway: z.strictObject({ listen: z.strictObject({ http: Address }), expose: Exposure.optional() }).optional(),
  /** An MQTT broker on this device, a process of its own; none unless it is said. */
  broker: brokerFile(Address).optional(),
  remoteConfiguration: RemoteConfiguration.prefault('accept'),
  engines: z
    .array(EngineFile)
    .max(8)
    .refine((engines) => new Set(engines.map(({ name }) => name)).size === engines.length, 'two engines have one name')
    .default([]),
  /** How a release takes over from another; absent: as the board's profile says. */
  swap: z.enum(['auto', 'parallel', 'sequential']).optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  profile: z.string().min(1).max(64).optional(),
});
/** `folder`: of the file, from where its relative paths are seen. */
export type AgentConfig = Readonly<z.output<typeof AgentFile> & { folder: string }>;

/** Each overrides one key of the file. */
const overrides: Record<string, string> = {
  FLOTILLA_SERVER: 'server',
  FLOTILLA_DATA: 'data',
  FLOTILLA_NAME: 'name',
  FLOTILLA_LOG_LEVEL: 'logLevel',
  FLOTILLA_PROFILE: 'profile',
  FLOTILLA_SWAP: 'swap',
};
const numericOverrides: Record<string, string> = {
  FLOTILLA_DOWNLOAD_KBPS: 'downloadKbps',
  FLOTILLA_STORE_MB: 'storeMb',
  FLOTILLA_OUTBOX_MB: 'outboxMb',
  FLOTILLA_PREDICTIONS_MB: 'predictionsMb',
  FLOTILLA_UNWRITTEN_S: 'unwrittenS',
  FLOTILLA_MAX_RUN_S: 'maxRunS',
};

/** Reads the file, lays `FLOTILLA_*` over it, and resolves relative paths against the file's folder. */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): AgentConfig {
  const written = withEnvironment(readYaml(file), env);
  const result = AgentFile.safeParse(written);
  if (!result.success) throw new ConfigError(describeIssues(file, AgentFile, result.error));
  const folder = dirname(resolve(file));
  const slots = Object.entries(result.data.slots).map(([name, slot]) => [name, withPathsFrom(folder, slot)] as const);
  const resolved = Object.fromEntries(slots);
  checkAddresses(file, resolved);
  const exposed = exposureComplaint(resolved) ?? gatewayComplaint(result.data.gateway);
  if (exposed) throw new ConfigError(`${file}: ${exposed}`);
  const { folders, ...remote } = result.data.remoteConfiguration;
  const remoteConfiguration = { ...remote, folders: folders.map((each) => resolve(folder, each)) };
  const gateway = result.data.gateway && gatewayFrom(folder, result.data.gateway);
  const broker = result.data.broker && brokerFrom(folder, result.data.broker);
  return deepFreeze({
    ...result.data,
    gateway,
    broker,
    folder,
    data: resolve(folder, result.data.data),
    slots: resolved,
    remoteConfiguration,
  });
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${file}: cannot be read (${errorText(cause)}): name the file with --config.`, { cause });
  }
  try {
    return parse(text) ?? {};
  } catch (cause) {
    throw new ConfigError(`${file}: not YAML: ${errorText(cause).split('\n')[0]}`, { cause });
  }
}

function withEnvironment(written: unknown, env: NodeJS.ProcessEnv): unknown {
  if (written === null || typeof written !== 'object' || Array.isArray(written)) return written;
  const file: Record<string, unknown> = { ...written };
  for (const [variable, key] of Object.entries(overrides)) if (env[variable]) file[key] = env[variable];
  const limits = Object.entries(numericOverrides).flatMap(([variable, key]) =>
    env[variable] ? [[key, numberOrText(env[variable])] as const] : [],
  );
  if (limits.length > 0) file['limits'] = { ...(file['limits'] as object | undefined), ...Object.fromEntries(limits) };
  return file;
}

/** What is no number is left for the schema to complain about. */
const numberOrText = (text: string) => (Number.isNaN(Number(text)) ? text : Number(text));

type Slot = z.output<typeof SlotFile>;
function withPathsFrom(folder: string, { listen, expose, ...slot }: Slot): Slot {
  return {
    ...slot,
    ...pipelineFrom(folder, slot),
    listen: listen.unix === undefined ? listen : { ...listen, unix: resolve(folder, listen.unix) },
    ...(expose ? { expose: exposureFrom(folder, expose) } : {}),
  };
}

const gatewayFrom = (folder: string, { listen, expose }: NonNullable<z.output<typeof AgentFile>['gateway']>) => ({
  listen,
  ...(expose ? { expose: exposureFrom(folder, expose) } : {}),
});

/** Of sockaddr_un, less the byte that ends it; what is longer, some systems would cut off silently. */
const longestSocketPath = 107;

/** No two sockets can listen on one address; port 0 is a free one for each. */
function checkAddresses(file: string, slots: Readonly<Record<string, Slot>>): void {
  const takenBy = new Map<string, { slot: string; key: string }>();
  for (const [slot, { listen }] of Object.entries(slots)) {
    for (const [key, at] of Object.entries(listen)) {
      if (at === undefined || (typeof at !== 'string' && at.port === 0)) continue;
      const where = `${file}: slots.${slot}.listen.${key}`;
      const address = typeof at === 'string' ? at : `${at.host}:${at.port}`;
      const bytes = Buffer.byteLength(address);
      if (typeof at === 'string' && bytes > longestSocketPath)
        throw new ConfigError(
          `${where}: ${address} has ${bytes} bytes, a socket's path at most ${longestSocketPath}; shorten it, such as /run/flotilla/${slot}.sock.`,
        );
      const other = takenBy.get(address);
      if (other) throw new ConfigError(`${where}: ${address} is already ${taken(other, slot)}; give each its own.`);
      takenBy.set(address, { slot, key });
    }
  }
}

const taken = (by: { slot: string; key: string }, slot: string) =>
  by.slot === slot ? `this slot's "${by.key}"` : `slot "${by.slot}"'s`;

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

const errorText = (error: unknown) => (error instanceof Error ? error.message : String(error));
