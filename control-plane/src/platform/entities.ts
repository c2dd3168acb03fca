import { ClaimTokenRow } from '../access/claim-token.entity.js';
import { OperatorTokenRow } from '../access/operator-token.entity.js';
import { BlockRow, KillTargetRow } from '../blocks/block.entity.js';
import { EventRow } from '../events/event.entity.js';
import { ActivationRow, GroupCalendarRow } from '../fleet/calendar.entity.js';
import { ConfigurationReportRow, ConfigurationRow, ConfigurationVersionRow } from '../fleet/configuration.entity.js';
import { AssignmentRow, DeviceRow, SlotCommitRow, SlotReportRow } from '../fleet/device.entity.js';
import { GroupMemberRow, GroupRow } from '../fleet/group.entity.js';
import { PinRow } from '../fleet/pin.entity.js';
import { TombstoneRow } from '../fleet/tombstone.entity.js';
import { OutboxRow } from '../link/outbox.entity.js';
import { ReleaseRow } from '../models/release.entity.js';
import {
  RolloutCountRow,
  RolloutEventRow,
  RolloutLabelRow,
  RolloutEvidenceRow,
  RolloutCheckRow,
  RolloutOfferRow,
  RolloutRow,
  RolloutTargetRow,
} from '../rollouts/rollout.entity.js';
import {
  DeviceDayRow,
  DeviceHourRow,
  FleetDayRow,
  FleetHourRow,
  FleetMinuteRow,
  RollupWatermarkRow,
} from '../telemetry/rollup.entity.js';
import { ContentDayRow, ContentHourRow } from '../telemetry/content-rollup.entity.js';
import { VitalsDayRow, VitalsHourRow } from '../telemetry/vitals-rollup.entity.js';
import { DeadLetterRow, DeviceStreamRow, TelemetryWindowRow, VitalsRow } from '../telemetry/telemetry.entity.js';
import { IdempotentRequestRow } from './idempotency/idempotency.entity.js';
import { LeaderLeaseRow } from './leader.entity.js';

/** Every table: what migrations are kept in step with. */
export const entities = [
  ClaimTokenRow,
  OperatorTokenRow,
  BlockRow,
  KillTargetRow,
  EventRow,
  ActivationRow,
  GroupCalendarRow,
  AssignmentRow,
  ConfigurationReportRow,
  ConfigurationRow,
  ConfigurationVersionRow,
  DeviceRow,
  SlotCommitRow,
  SlotReportRow,
  PinRow,
  GroupMemberRow,
  GroupRow,
  TombstoneRow,
  OutboxRow,
  ReleaseRow,
  RolloutCountRow,
  RolloutEventRow,
  RolloutLabelRow,
  RolloutEvidenceRow,
  RolloutCheckRow,
  RolloutOfferRow,
  RolloutRow,
  RolloutTargetRow,
  DeadLetterRow,
  DeviceStreamRow,
  TelemetryWindowRow,
  VitalsRow,
  DeviceHourRow,
  DeviceDayRow,
  FleetMinuteRow,
  FleetHourRow,
  FleetDayRow,
  RollupWatermarkRow,
  VitalsHourRow,
  VitalsDayRow,
  ContentHourRow,
  ContentDayRow,
  IdempotentRequestRow,
  LeaderLeaseRow,
];
