import { resolve } from 'node:path';
import { z } from 'zod';

const portError = 'must be a port: a whole number up to 65535, 0 for any that is free';
const port = z.coerce.number(portError).int(portError).min(0, portError).max(65_535, portError);
const url = (protocol: RegExp, example: string) => z.url({ protocol, error: `must be a URL such as ${example}` });
const days = (usual: number) => z.coerce.number().int().min(1).max(3650).default(usual);
const listen = (defaultPort: number) => ({ host: z.string().min(1).default('127.0.0.1'), port: port.default(defaultPort) });

/** Settings of one control plane process. Read from `flotilla.yaml` and `FLOTILLA_*`, the environment winning. */
export const ControlPlaneConfig = z
  .strictObject({
    dataDir: z
      .string()
      .min(1)
      .default('.flotilla')
      .transform((path) => resolve(path)),
    /** Operator API, OpenAPI and page. */
    http: z.strictObject(listen(8080)).prefault({}),
    /** Device API (mTLS). `publicUrl`: how devices reach it. */
    deviceApi: z
      .strictObject({ ...listen(8443), publicUrl: url(/^https$/, 'https://flotilla.example:8443').optional() })
      .prefault({}),
    /** Embedded broker (MQTT over mTLS), unless `url` names another one. `publicUrl`: how devices reach it. */
    mqtt: z
      .strictObject({
        ...listen(8883),
        url: url(/^mqtts?$/, 'mqtts://broker.example:8883').optional(),
        publicUrl: url(/^mqtts$/, 'mqtts://flotilla.example:8883').optional(),
        /** Mosquitto's dynamic-security administration, only with `url`. */
        dynsec: z.strictObject({ username: z.string(), password: z.string() }).optional(),
      })
      .prefault({}),
    /** An external PostgreSQL; embedded where absent. */
    databaseUrl: url(/^postgres(ql)?$/, 'postgres://user:password@host/flotilla').optional(),
    /** Windows, vitals and dead letters as they came. */
    retentionDays: days(30),
    /** What windows say together, by minute (fleet only), hour and day. */
    rollupDays: z.strictObject({ minute: days(7), hour: days(90), day: days(730) }).prefault({}),
    /** Heartbeats, windows and uploads that devices are told to keep. */
    device: z
      .strictObject({
        windowS: z.coerce.number().min(0.2).max(3600).default(10),
        uploadS: z.coerce.number().min(0.2).max(86_400).default(60),
        heartbeatS: z.coerce.number().min(1).max(3600).default(60),
      })
      .prefault({}),
    /** An OpenTelemetry collector that is sent the figures of `/metrics` too; `url` is its whole address for metrics (OTLP over HTTP, protobuf). */
    otlp: z
      .strictObject({
        url: url(/^https?$/, 'http://collector.example:4318/v1/metrics'),
        intervalS: z.coerce.number().min(1).max(3600).default(60),
        headers: z.record(z.string(), z.string()).default({}),
      })
      .optional(),
    logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  })
  .readonly();
export type ControlPlaneConfig = z.infer<typeof ControlPlaneConfig>;

/** Environment names and the setting that each one is. */
export const environmentNames = {
  FLOTILLA_DATA: 'dataDir',
  FLOTILLA_HTTP_HOST: 'http.host',
  FLOTILLA_HTTP_PORT: 'http.port',
  FLOTILLA_DEVICE_API_HOST: 'deviceApi.host',
  FLOTILLA_DEVICE_API_PORT: 'deviceApi.port',
  FLOTILLA_DEVICE_API_PUBLIC_URL: 'deviceApi.publicUrl',
  FLOTILLA_MQTT_HOST: 'mqtt.host',
  FLOTILLA_MQTT_PORT: 'mqtt.port',
  FLOTILLA_MQTT_PUBLIC_URL: 'mqtt.publicUrl',
  MQTT_URL: 'mqtt.url',
  FLOTILLA_DYNSEC_USERNAME: 'mqtt.dynsec.username',
  FLOTILLA_DYNSEC_PASSWORD: 'mqtt.dynsec.password',
  DATABASE_URL: 'databaseUrl',
  FLOTILLA_RETENTION_DAYS: 'retentionDays',
  FLOTILLA_ROLLUP_MINUTE_DAYS: 'rollupDays.minute',
  FLOTILLA_ROLLUP_HOUR_DAYS: 'rollupDays.hour',
  FLOTILLA_ROLLUP_DAY_DAYS: 'rollupDays.day',
  FLOTILLA_WINDOW_S: 'device.windowS',
  FLOTILLA_UPLOAD_S: 'device.uploadS',
  FLOTILLA_HEARTBEAT_S: 'device.heartbeatS',
  FLOTILLA_OTLP_URL: 'otlp.url',
  FLOTILLA_OTLP_INTERVAL_S: 'otlp.intervalS',
  FLOTILLA_LOG_LEVEL: 'logLevel',
} as const;
