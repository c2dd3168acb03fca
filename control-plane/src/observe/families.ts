/** One measured value; its labels tell it from the others of its family. */
export type Reading = Readonly<{ labels?: Readonly<Record<string, string>>; value: number }>;
type Family = Readonly<{ kind: 'gauge' | 'counter'; help: string }>;

/** Over how much of the past `flotilla_inferences` and its neighbours look, seconds. */
export const recentS = 300;
/** Releases, rollouts and kills that have series of their own; the others are counted in `flotilla_folded`. */
export const mostSeries = 50;

const gauge = (help: string): Family => ({ kind: 'gauge', help });
const counter = (help: string): Family => ({ kind: 'counter', help });

/** Everything that is told, by name. Dashboards and rules in `deploy/` name these. */
export const families = {
  flotilla_database_up: gauge('1 while the database answers; without it the figures of the fleet are absent'),
  flotilla_broker_connected: gauge('1 while this process has its connection to the MQTT broker'),
  flotilla_leader: gauge('1 in the process that leads'),
  flotilla_counted: counter('What this process has counted since its start, by name'),
  flotilla_devices: gauge('Devices by state: online and offline are active ones, maintenance is among them too'),
  flotilla_certificates_expiring: gauge('Active devices whose certificate ends within 7 days'),
  flotilla_release_devices: gauge('Slots by the release that they reported last'),
  flotilla_rollouts: gauge('Rollouts by phase'),
  flotilla_rollout_stage: gauge('Stage that a rollout under way is in, from 0'),
  flotilla_kill_slots: gauge('Slots that a kill in force aims at, by what is known of them'),
  flotilla_inferences: gauge(`Inferences of the last ${recentS} s, by release, hardware class and outcome`),
  flotilla_latency_ms: gauge(
    `Latency of the last ${recentS} s, from request to result: quantiles from merged sketches, right to 2.5 %`,
  ),
  flotilla_runner_restarts: gauge(`Restarts of runners in the last ${recentS} s`),
  flotilla_records_lost: counter('Telemetry records that devices have dropped without ever having delivered them'),
  flotilla_dead_letters: gauge('Records of the last 24 hours that could not be read'),
  flotilla_dispatch_waiting: gauge('Orders to devices that wait to be sent'),
  flotilla_dispatch_oldest_seconds: gauge('How long the first of these has waited'),
  flotilla_rollup_behind_records: gauge('Windows that are not rolled up yet'),
  flotilla_database_bytes: gauge('Size of the database'),
  flotilla_folded: gauge('Releases, rollouts and kills that have no series of their own, by family'),
  process_resident_memory_bytes: gauge('Resident memory of the control plane'),
  process_cpu_seconds: counter('Processor time of the control plane, user and system'),
  nodejs_eventloop_delay_p99_seconds: gauge('How late the event loop was since the last look, 99th percentile'),
} as const satisfies Record<string, Family>;
export type FamilyName = keyof typeof families;
export type Readings = ReadonlyMap<FamilyName, readonly Reading[]>;
