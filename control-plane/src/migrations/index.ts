import { AddConfigurations1795740709749 } from './1795740709749-add-configurations.js';
import { BaselineCounts1795764100000 } from './1795764100000-baseline-counts.js';
import { Checks1795755570882 } from './1795755570882-checks.js';
import { Api1795753969494 } from './1795753969494-api.js';
import { BoardEvidence1795769900000 } from './1795769900000-board-evidence.js';
import { DayPartitions1795763000000 } from './1795763000000-day-partitions.js';
import { EventAt1795764000000 } from './1795764000000-event-at.js';
import { Evidence1795737600000 } from './1795737600000-evidence.js';
import { GroupsAndLifecycle1795750705062 } from './1795750705062-groups-and-lifecycle.js';
import { Initial1795359287598 } from './1795359287598-initial.js';
import { Kill1795750702741 } from './1795750702741-kill.js';
import { Pace1795750842030 } from './1795750842030-pace.js';
import { Rollups1795762379401 } from './1795762379401-rollups.js';
import { RolloutCounts1795755000000 } from './1795755000000-rollout-counts.js';
import { VitalsRollups1795785615538 } from './1795785615538-vitals-rollups.js';
import { TargetLabels1795774627910 } from './1795774627910-target-labels.js';

/** In the order in which they run. */
export const migrations = [
  Initial1795359287598,
  Evidence1795737600000,
  AddConfigurations1795740709749,
  Kill1795750702741,
  GroupsAndLifecycle1795750705062,
  Pace1795750842030,
  Api1795753969494,
  RolloutCounts1795755000000,
  Checks1795755570882,
  Rollups1795762379401,
  DayPartitions1795763000000,
  EventAt1795764000000,
  BaselineCounts1795764100000,
  BoardEvidence1795769900000,
  TargetLabels1795774627910,
  VitalsRollups1795785615538,
];
