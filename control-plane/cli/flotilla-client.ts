// Written from openapi.json by write-openapi.js; not to be edited.
import {
  AssignmentRequest,
  AssignmentResult,
  BackupRequest,
  BackupView,
  BlockView,
  Calendar,
  ClassesAnswer,
  ConfigurationChange,
  ConfigurationFile,
  ConfigurationRollback,
  ConfigurationView,
  DeviceConfigurationView,
  DeviceImport,
  DeviceImportView,
  DeviceTelemetryView,
  DeviceView,
  DeviceWhyView,
  EventView,
  GroupChange,
  GroupCreate,
  GroupPreview,
  GroupPreviewRequest,
  GroupView,
  InputsAnswer,
  KillRequest,
  KillTargetView,
  KillView,
  LabelsRequest,
  LiftRequest,
  MaintenanceRequest,
  Manifest,
  Offenders,
  OperatorCreate,
  OperatorCreated,
  OperatorView,
  PinRequest,
  PinView,
  ReleaseView,
  RolloutCommand,
  RolloutPlanFile,
  RolloutPreview,
  RolloutView,
  StatusView,
  TelemetryAnswer,
  TelemetryChanges,
  TelemetryComparison,
  TelemetrySummaryView,
  TokenCreate,
  TokenSummary,
  TokenView,
  VitalsAnswer,
} from '@flotilla/protocol';
import type { z } from 'zod';
import { ApiClient, at } from './client.js';

/** The operator API: a function for each operation. */
export class FlotillaClient extends ApiClient {
  readonly artifacts = {
    get: (sha256: string) => this.bytes(at`/api/v1/artifacts/${sha256}`),
  };

  readonly assignments = {
    assign: (body: z.input<typeof AssignmentRequest>): Promise<AssignmentResult> => this.post(at`/api/v1/assignments`, body, AssignmentResult),
  };

  readonly backups = {
    make: (body: z.input<typeof BackupRequest>): Promise<BackupView> => this.post(at`/api/v1/backups`, body, BackupView),
  };

  readonly calendars = {
    show: (name: string): Promise<Calendar> => this.get(at`/api/v1/groups/${name}/calendar`, Calendar),
    showTagged: (name: string) => this.getTagged(at`/api/v1/groups/${name}/calendar`, Calendar),
    set: (name: string, body: z.input<typeof Calendar>, ifMatch?: string): Promise<Calendar> => this.put(at`/api/v1/groups/${name}/calendar`, body, Calendar, ifMatch),
    remove: (name: string, ifMatch?: string): Promise<void> => this.delete(at`/api/v1/groups/${name}/calendar`, undefined, ifMatch),
  };

  readonly claimTokens = {
    create: (body: z.input<typeof TokenCreate>): Promise<TokenView> => this.post(at`/api/v1/tokens`, body, TokenView),
    list: (most?: number): Promise<TokenSummary[]> => this.list(at`/api/v1/tokens`, TokenSummary, most),
    replace: (id: string): Promise<TokenView> => this.post(at`/api/v1/devices/${id}/replacement`, {}, TokenView),
  };

  readonly configurations = {
    push: (body: z.input<typeof ConfigurationFile>, ifMatch?: string): Promise<ConfigurationChange> => this.post(at`/api/v1/configurations`, body, ConfigurationChange, ifMatch),
    list: (most?: number): Promise<ConfigurationView[]> => this.list(at`/api/v1/configurations`, ConfigurationView, most),
    show: (scope: string, name: string, query: { version?: number | undefined } = {}): Promise<ConfigurationView> => this.get(this.address(at`/api/v1/configurations/${scope}/${name}`, query), ConfigurationView),
    showTagged: (scope: string, name: string, query: { version?: number | undefined } = {}) => this.getTagged(this.address(at`/api/v1/configurations/${scope}/${name}`, query), ConfigurationView),
    delete: (scope: string, name: string, ifMatch?: string): Promise<void> => this.delete(at`/api/v1/configurations/${scope}/${name}`, undefined, ifMatch),
    versions: (scope: string, name: string, most?: number): Promise<ConfigurationView[]> => this.list(at`/api/v1/configurations/${scope}/${name}/versions`, ConfigurationView, most),
    rollBack: (scope: string, name: string, body: z.input<typeof ConfigurationRollback>, ifMatch?: string): Promise<ConfigurationChange> => this.post(at`/api/v1/configurations/${scope}/${name}/rollback`, body, ConfigurationChange, ifMatch),
  };

  readonly deviceImport = {
    run: (body: z.input<typeof DeviceImport>): Promise<DeviceImportView> => this.post(at`/api/v1/devices/import`, body, DeviceImportView),
  };

  readonly devices = {
    list: (query: { selector?: string | undefined; status?: 'active' | 'pending' | 'revoked' | undefined } = {}, most?: number): Promise<DeviceView[]> => this.list(this.address(at`/api/v1/devices`, query), DeviceView, most),
    show: (id: string): Promise<DeviceView> => this.get(at`/api/v1/devices/${id}`, DeviceView),
    showTagged: (id: string) => this.getTagged(at`/api/v1/devices/${id}`, DeviceView),
    remove: (id: string, query: { purge?: string | undefined } = {}): Promise<void> => this.delete(this.address(at`/api/v1/devices/${id}`, query)),
    configuration: (id: string): Promise<DeviceConfigurationView> => this.get(at`/api/v1/devices/${id}/configuration`, DeviceConfigurationView),
    setLabels: (id: string, body: z.input<typeof LabelsRequest>, ifMatch?: string): Promise<DeviceView> => this.put(at`/api/v1/devices/${id}/labels`, body, DeviceView, ifMatch),
    approve: (id: string): Promise<DeviceView> => this.post(at`/api/v1/devices/${id}/approval`, {}, DeviceView),
    beginMaintenance: (id: string, body: z.input<typeof MaintenanceRequest>): Promise<DeviceView> => this.put(at`/api/v1/devices/${id}/maintenance`, body, DeviceView),
    endMaintenance: (id: string): Promise<DeviceView> => this.delete(at`/api/v1/devices/${id}/maintenance`, DeviceView),
  };

  readonly events = {
    list: (query: { device?: string | undefined; rollout?: string | undefined; kind?: string | undefined } = {}, most?: number): Promise<EventView[]> => this.list(this.address(at`/api/v1/events`, query), EventView, most),
    follow: (query: { device?: string | undefined; rollout?: string | undefined; kind?: string | undefined; after?: number | undefined } = {}, headers: Record<string, string> = {}, signal?: AbortSignal) => this.stream(this.address(at`/api/v1/events/stream`, query), headers, signal),
  };

  readonly groups = {
    create: (body: z.input<typeof GroupCreate>): Promise<GroupView> => this.post(at`/api/v1/groups`, body, GroupView),
    list: (most?: number): Promise<GroupView[]> => this.list(at`/api/v1/groups`, GroupView, most),
    preview: (body: z.input<typeof GroupPreviewRequest>): Promise<GroupPreview> => this.post(at`/api/v1/groups/preview`, body, GroupPreview),
    show: (name: string): Promise<GroupView> => this.get(at`/api/v1/groups/${name}`, GroupView),
    showTagged: (name: string) => this.getTagged(at`/api/v1/groups/${name}`, GroupView),
    change: (name: string, body: z.input<typeof GroupChange>, ifMatch?: string): Promise<GroupView> => this.patch(at`/api/v1/groups/${name}`, body, GroupView, ifMatch),
    remove: (name: string, ifMatch?: string): Promise<void> => this.delete(at`/api/v1/groups/${name}`, undefined, ifMatch),
  };

  readonly kills = {
    kill: (body: z.input<typeof KillRequest>): Promise<KillView> => this.post(at`/api/v1/kills`, body, KillView),
    list: (most?: number): Promise<KillView[]> => this.list(at`/api/v1/kills`, KillView, most),
    show: (id: string): Promise<KillView> => this.get(at`/api/v1/kills/${id}`, KillView),
    targets: (id: string, query: { state?: 'confirmed' | 'pending' | 'failed' | 'unreached' | undefined } = {}, most?: number): Promise<KillTargetView[]> => this.list(this.address(at`/api/v1/kills/${id}/targets`, query), KillTargetView, most),
    blocks: (query: { all?: 'true' | 'false' | undefined } = {}, most?: number): Promise<BlockView[]> => this.list(this.address(at`/api/v1/blocks`, query), BlockView, most),
    lift: (id: string, body: z.input<typeof LiftRequest>): Promise<BlockView> => this.post(at`/api/v1/blocks/${id}/lift`, body, BlockView),
  };

  readonly operators = {
    list: (most?: number): Promise<OperatorView[]> => this.list(at`/api/v1/operators`, OperatorView, most),
    create: (body: z.input<typeof OperatorCreate>): Promise<OperatorCreated> => this.post(at`/api/v1/operators`, body, OperatorCreated),
    remove: (name: string): Promise<void> => this.delete(at`/api/v1/operators/${name}`),
  };

  readonly pins = {
    pin: (id: string, slot: string, body: z.input<typeof PinRequest>): Promise<PinView> => this.put(at`/api/v1/devices/${id}/slots/${slot}/pin`, body, PinView),
    unpin: (id: string, slot: string): Promise<void> => this.delete(at`/api/v1/devices/${id}/slots/${slot}/pin`),
  };

  readonly queries = {
    query: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; by?: string | undefined; step?: 'minute' | 'hour' | 'day' | undefined; level?: 'raw' | 'minute' | 'hour' | 'day' | undefined; order?: 'inferences' | 'errors' | 'errorRate' | 'sheds' | 'compute' | 'restarts' | undefined; limit?: number | undefined } = {}): Promise<TelemetryAnswer> => this.get(this.address(at`/api/v1/telemetry`, query), TelemetryAnswer),
    compare: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; of?: string | undefined; a: string; b: string; level?: 'raw' | 'minute' | 'hour' | 'day' | undefined }): Promise<TelemetryComparison> => this.get(this.address(at`/api/v1/telemetry/compare`, query), TelemetryComparison),
    worst: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; by?: 'errorRate' | 'latency' | 'compute' | 'sheds' | 'restarts' | 'temperature' | undefined; least?: number | undefined; limit?: number | undefined } = {}): Promise<Offenders> => this.get(this.address(at`/api/v1/telemetry/offenders`, query), Offenders),
    changed: (query: { at: string; around?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined }): Promise<TelemetryChanges> => this.get(this.address(at`/api/v1/telemetry/changes`, query), TelemetryChanges),
  };

  readonly releases = {
    push: (body: z.input<typeof Manifest>): Promise<ReleaseView> => this.post(at`/api/v1/releases`, body, ReleaseView),
    list: (query: { model?: string | undefined } = {}, most?: number): Promise<ReleaseView[]> => this.list(this.address(at`/api/v1/releases`, query), ReleaseView, most),
    show: (name: string): Promise<ReleaseView> => this.get(at`/api/v1/releases/${name}`, ReleaseView),
  };

  readonly rollouts = {
    list: (most?: number): Promise<RolloutView[]> => this.list(at`/api/v1/rollouts`, RolloutView, most),
    create: (body: z.input<typeof RolloutPlanFile>): Promise<RolloutView> => this.post(at`/api/v1/rollouts`, body, RolloutView),
    show: (id: string): Promise<RolloutView> => this.get(at`/api/v1/rollouts/${id}`, RolloutView),
    showTagged: (id: string) => this.getTagged(at`/api/v1/rollouts/${id}`, RolloutView),
    preview: (body: z.input<typeof RolloutPlanFile>): Promise<RolloutPreview> => this.post(at`/api/v1/rollouts/preview`, body, RolloutPreview),
    command: (id: string, body: z.input<typeof RolloutCommand>, ifMatch?: string): Promise<RolloutView> => this.post(at`/api/v1/rollouts/${id}/commands`, body, RolloutView, ifMatch),
  };

  readonly slotWhy = {
    show: (id: string): Promise<DeviceWhyView> => this.get(at`/api/v1/devices/${id}/why`, DeviceWhyView),
  };

  readonly status = {
    show: (): Promise<StatusView> => this.get(at`/api/v1/status`, StatusView),
  };

  readonly telemetry = {
    ofDevice: (id: string, query: { limit?: number | undefined } = {}): Promise<DeviceTelemetryView> => this.get(this.address(at`/api/v1/devices/${id}/telemetry`, query), DeviceTelemetryView),
    summary: (query: { by?: 'release' | undefined } = {}): Promise<TelemetrySummaryView> => this.get(this.address(at`/api/v1/telemetry/summary`, query), TelemetrySummaryView),
  };

  readonly telemetryContents = {
    classes: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; by?: string | undefined; level?: 'raw' | 'hour' | 'day' | undefined; class?: string | undefined; top?: number | undefined; limit?: number | undefined } = {}): Promise<ClassesAnswer> => this.get(this.address(at`/api/v1/telemetry/classes`, query), ClassesAnswer),
    inputs: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; release: string; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; by?: string | undefined; level?: 'raw' | 'hour' | 'day' | undefined; limit?: number | undefined }): Promise<InputsAnswer> => this.get(this.address(at`/api/v1/telemetry/inputs`, query), InputsAnswer),
    vitals: (query: { since?: string | undefined; until?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; hardwareClass?: string | undefined; by?: string | undefined; step?: 'minute' | 'hour' | 'day' | undefined; level?: 'raw' | 'hour' | 'day' | undefined; order?: 'temperature' | 'cpu' | 'memory' | 'throttled' | 'power' | 'gpu' | 'outbox' | 'drops' | undefined; limit?: number | undefined } = {}): Promise<VitalsAnswer> => this.get(this.address(at`/api/v1/telemetry/vitals`, query), VitalsAnswer),
  };

  readonly telemetryStreams = {
    tail: (query: { slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; after?: number | undefined; last?: number | undefined } = {}, headers: Record<string, string> = {}, signal?: AbortSignal) => this.stream(this.address(at`/api/v1/telemetry/tail`, query), headers, signal),
    export: (query: { since?: string | undefined; until?: string | undefined; slot?: string | undefined; model?: string | undefined; release?: string | undefined; variant?: string | undefined; hardwareClass?: string | undefined; device?: string | undefined; group?: string | undefined; selector?: string | undefined; of?: 'windows' | 'vitals' | 'device-hours' | 'device-days' | 'fleet-minutes' | 'fleet-hours' | 'fleet-days' | undefined; format?: 'csv' | 'parquet' | undefined } = {}) => this.bytes(this.address(at`/api/v1/telemetry/export`, query)),
  };
}
