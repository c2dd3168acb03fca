import { z } from 'zod';
import { OutputsConfig } from './outputs.js';
import { Crop } from './preprocess.js';

/** Where a slot's inputs come from, what sets a capture off, and what the device changes in the release's pipeline: of `agent.yaml` and of the desired state. */

const perSecond = z.number().gt(0).max(1000);
const text = z.string().min(1).max(1024);
const url = (protocol: RegExp, example: string) => z.url({ protocol, error: `must be a URL such as ${example}` }).max(1024);
/** File that holds a secret; the secret itself stands in no configuration. */
const secretFile = text;

/** Files of one folder, in the order of their names. `then`: what becomes of one that was inferred; `repeat` goes round. */
export const DirectorySource = z.strictObject({
  directory: text,
  perSecond: perSecond.default(1),
  then: z.union([z.enum(['repeat', 'keep', 'delete']), z.strictObject({ move: text })]).default('keep'),
});
export type DirectorySource = z.infer<typeof DirectorySource>;

/** Without a picture for so long (or for three of its intervals) it counts as gone, and is reached again. */
const stallS = z.number().min(1).max(3600).default(10);

/** A V4L2 device, through ffmpeg. */
export const CameraSource = z.strictObject({
  camera: text,
  width: z.int().min(16).max(8192).optional(),
  height: z.int().min(16).max(8192).optional(),
  framesPerSecond: perSecond.optional(),
  /** Of the camera, as `ffmpeg -f v4l2 -list_formats all` names it. `mjpeg`: the camera's own JPEGs, decoded only if they are inferred. */
  inputFormat: z
    .string()
    .regex(/^[a-z\d_]{1,32}$/)
    .optional(),
  stallS,
});
export type CameraSource = z.infer<typeof CameraSource>;

/** A file, or what a network camera streams (rtsp, http), through ffmpeg; `.mjpeg` files and JPEGs over HTTP (multipart) without. */
export const VideoSource = z.strictObject({
  video: text,
  /** Smaller than it comes, to spare the pipe. */
  width: z.int().min(16).max(8192).optional(),
  height: z.int().min(16).max(8192).optional(),
  /** Frames in between are passed over. */
  framesPerSecond: perSecond.optional(),
  transport: z.enum(['tcp', 'udp']).default('tcp'),
  username: text.optional(),
  passwordFile: secretFile.optional(),
  stallS,
  /** Of a file: `own` speed, dropping what comes too fast, as a camera; or `every` frame, as fast as they are inferred. */
  pace: z.enum(['own', 'every']).default('own'),
  then: z.enum(['repeat', 'stop']).default('stop'),
});
export type VideoSource = z.infer<typeof VideoSource>;

/** A folder that a gateway recorded, at the pace at which it was. */
export const RecordingSource = z.strictObject({
  recording: text,
  speed: z.number().gt(0).max(1000).default(1),
  /** `own`: as it was taken; `every`: each frame, as fast as they are inferred. */
  pace: z.enum(['own', 'every']).default('own'),
  then: z.enum(['repeat', 'stop']).default('stop'),
});
export type RecordingSource = z.infer<typeof RecordingSource>;

/** Messages of a broker, known by their content: a picture, a WAV, a JSON object of features. */
export const MqttSource = z
  .strictObject({
    mqtt: url(/^(mqtts?|wss?)$/, 'mqtt://127.0.0.1:1883'),
    /** `+` and `#` stand for any. */
    topic: text,
    /** 1: each message, acknowledged when its result is out; the broker keeps what comes meanwhile. 0: the newest. */
    qos: z.union([z.literal(0), z.literal(1)]).default(1),
    /** No two clients of a broker may have the same; absent, one is made once and kept. */
    clientId: z.string().min(1).max(128).optional(),
    username: text.optional(),
    passwordFile: secretFile.optional(),
    /** Whom to trust, where it isn't the system's authorities. */
    caFile: text.optional(),
    certFile: text.optional(),
    keyFile: secretFile.optional(),
    /** A larger message is passed over. */
    maxMb: z.number().gt(0).max(64).default(32),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: 'certFile and keyFile go together',
    path: ['keyFile'],
  });
export type MqttSource = z.infer<typeof MqttSource>;

/** `POST /v1/slots/{slot}/push` of the gateway. */
export const PushSource = z.strictObject({ push: z.strictObject({ maxMb: z.number().gt(0).max(64).default(32) }) });
export type PushSource = z.infer<typeof PushSource>;

/** Sound: a WAV file (or a named pipe with one), or an ALSA device through ffmpeg. */
export const AudioSource = z.strictObject({
  audio: text,
  kind: z.enum(['wav', 'alsa']).default('wav'),
  /** What the release gets; a microphone is asked for it, a file is resampled to it. */
  rate: z.int().min(1000).max(192_000).default(16_000),
  channels: z.int().min(1).max(8).default(1),
  chunkMs: z.int().min(5).max(5000).default(100),
  pace: z.enum(['own', 'every']).default('own'),
  then: z.enum(['repeat', 'stop']).default('stop'),
});
export type AudioSource = z.infer<typeof AudioSource>;

const SerialLine = z.strictObject({
  serial: text,
  baud: z.int().min(50).max(4_000_000).default(9600),
  dataBits: z.union([z.literal(7), z.literal(8)]).default(8),
  parity: z.enum(['none', 'even', 'odd']).default('none'),
  stopBits: z.union([z.literal(1), z.literal(2)]).default(1),
});

/** Lines of a sensor: a file that grows, a TCP peer, a serial line. */
export const LinesSource = z
  .strictObject({
    lines: z.union([
      z.strictObject({ file: text, from: z.enum(['start', 'end']).default('end') }),
      z.strictObject({ tcp: z.string().regex(/^\S+:\d{1,5}$/, 'must be host:port') }),
      SerialLine,
    ]),
    /** `csv`: `columns` names them, `null` for one to pass over; absent, the first line does. `json`: an object a line. */
    format: z.enum(['csv', 'json']).default('csv'),
    columns: z.array(z.string().min(1).max(128).nullable()).min(1).max(4096).optional(),
    /** A space stands for any number of spaces and tabs. */
    separator: z.string().length(1).default(','),
    decimal: z.enum(['.', ',']).default('.'),
    /** What one line is: features by name, or the next sample of a signal with as many channels as there are columns. */
    as: z
      .union([
        z.literal('features'),
        z.strictObject({ signal: z.strictObject({ rate: z.number().gt(0), chunk: z.int().min(1).max(65_536) }) }),
      ])
      .default('features'),
  })
  .superRefine(({ lines, format, columns, separator, decimal, as }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (!columns && format === 'csv' && 'serial' in lines)
      refuse('columns', 'must name the columns: who listens to a serial line may come after its first line');
    if (!columns && format === 'json' && as !== 'features')
      refuse('columns', 'must name the fields that are the channels of the signal');
    if (format === 'csv' && separator === decimal) refuse('decimal', 'must not be the separator, too');
  });
export type LinesSource = z.infer<typeof LinesSource>;

/** Variables of an OPC UA server, by feature name. */
export const OpcUaSource = z.strictObject({
  opcua: url(/^opc\.tcp$/, 'opc.tcp://192.168.0.10:4840'),
  /** Such as `ns=2;s=Press.Temperature`. */
  nodes: z
    .record(z.string().min(1).max(128), text)
    .refine((nodes) => Object.keys(nodes).length > 0 && Object.keys(nodes).length <= 4096, 'must name 1 to 4096 variables'),
  /** Between two sets of features; the server samples as often. */
  everyMs: z.int().min(10).max(3_600_000).default(1000),
  security: z.enum(['none', 'sign', 'sign-and-encrypt']).default('sign-and-encrypt'),
  /** Basic256Sha256 unless it is said. */
  policy: z.enum(['Basic256Sha256', 'Aes128_Sha256_RsaOaep', 'Aes256_Sha256_RsaPss']).optional(),
  /** The server's own certificate (DER or PEM), which is trusted; absent, somebody moves it from `rejected` to `trusted`. */
  serverCertificateFile: text.optional(),
  username: text.optional(),
  passwordFile: secretFile.optional(),
});
export type OpcUaSource = z.infer<typeof OpcUaSource>;

export const SourceConfig = z.union([
  DirectorySource,
  CameraSource,
  VideoSource,
  RecordingSource,
  MqttSource,
  PushSource,
  AudioSource,
  LinesSource,
  OpcUaSource,
]);
export type SourceConfig = z.infer<typeof SourceConfig>;
/** Which kind of source one is, the first key of its schema says. */
export const sourceKinds = SourceConfig.options.map((kind) => Object.keys(kind.shape)[0]!);

/** What sets a capture off. Without one, all that the source has is inferred as it comes. */
export const TriggerConfig = z.strictObject({
  /** Seconds between captures. */
  everyS: z.number().gt(0).max(86_400).optional(),
  /** `POST /v1/slots/{slot}/inspections` of the gateway. */
  api: z.boolean().default(true),
  /** A command on `topic`, the states on `topic` + `/state`, the result on `topic` + `/result`. */
  mqtt: z
    .strictObject({
      url: url(/^(mqtts?|wss?)$/, 'mqtt://127.0.0.1:1883'),
      topic: text,
      username: text.optional(),
      passwordFile: secretFile.optional(),
      caFile: text.optional(),
    })
    .optional(),
  /** How long one inspection may take from command to result. */
  timeoutMs: z.int().min(10).max(600_000).default(5000),
  /** For which a result waits for its acknowledgement before the next command is taken; none: it waits for no one. */
  acknowledgeMs: z.int().min(10).max(600_000).optional(),
});
export type TriggerConfig = z.infer<typeof TriggerConfig>;

export const PipelineOverrides = z.strictObject({
  /** In place of the release's own: where on this device's picture to look. */
  crop: Crop.optional(),
  /** Findings below it are left out: stricter than the release, never less so. */
  minScore: z.number().min(0).max(1).optional(),
});
export type PipelineOverrides = z.infer<typeof PipelineOverrides>;

/** Keeps the latest of what the source gives, for a `recording` source. */
export const RecordConfig = z.strictObject({
  folder: text,
  /** The oldest go. */
  maxMb: z.number().gt(0).max(1_000_000),
  maxHours: z.number().gt(0).max(100_000).optional(),
});
export type RecordConfig = z.infer<typeof RecordConfig>;

/** Of one slot. */
export const SlotPipeline = z.strictObject({
  source: SourceConfig.optional(),
  trigger: TriggerConfig.optional(),
  pipeline: PipelineOverrides.optional(),
  record: RecordConfig.optional(),
  outputs: OutputsConfig.optional(),
});
export type SlotPipeline = z.infer<typeof SlotPipeline>;
