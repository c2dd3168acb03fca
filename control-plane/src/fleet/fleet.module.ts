import { Module } from '@nestjs/common';
import { BlocksModule } from '../blocks/blocks.module.js';
import { EventsModule } from '../events/events.module.js';
import { ModelsModule } from '../models/models.module.js';
import { AdoptionService } from './adoption.service.js';
import { AssignmentsController } from './assignments.controller.js';
import { AssignmentsRepository } from './assignments.repository.js';
import { AssignmentsService } from './assignments.service.js';
import { CalendarsController } from './calendars.controller.js';
import { CalendarsRepository } from './calendars.repository.js';
import { CalendarsService } from './calendars.service.js';
import { ConfigurationSpread } from './configuration-spread.js';
import { ConfigurationsController } from './configurations.controller.js';
import { ConfigurationsRepository } from './configurations.repository.js';
import { ConfigurationsService } from './configurations.service.js';
import { DesiredStates } from './desired-states.js';
import { DeviceConfigs } from './device-configs.js';
import { DeviceConfigurations } from './device-configurations.js';
import { DeviceCare } from './device-care.js';
import { DeviceDeparture } from './device-departure.js';
import { DeviceEnrolment } from './device-enrolment.js';
import { DeviceLabels } from './device-labels.js';
import { DevicesController } from './devices.controller.js';
import { DevicesRepository } from './devices.repository.js';
import { DevicesService } from './devices.service.js';
import { GroupChanges } from './group-changes.js';
import { GroupMemberships } from './group-memberships.js';
import { GroupsController } from './groups.controller.js';
import { GroupsRepository } from './groups.repository.js';
import { GroupsService } from './groups.service.js';
import { ManualAssignmentsService } from './manual-assignments.service.js';
import { PinsController } from './pins.controller.js';
import { PinsService } from './pins.service.js';
import { SlotCommits } from './slot-commits.js';
import { MembershipRepository } from './membership.repository.js';
import { SlotReportsService } from './slot-reports.service.js';

/** Devices, groups, and which release each slot should run. */
@Module({
  imports: [BlocksModule, EventsModule, ModelsModule],
  controllers: [
    AssignmentsController,
    CalendarsController,
    ConfigurationsController,
    DevicesController,
    GroupsController,
    PinsController,
  ],
  providers: [
    AdoptionService,
    AssignmentsRepository,
    AssignmentsService,
    CalendarsRepository,
    CalendarsService,
    ConfigurationSpread,
    ConfigurationsRepository,
    ConfigurationsService,
    DesiredStates,
    DeviceConfigs,
    DeviceConfigurations,
    DeviceCare,
    DeviceDeparture,
    DeviceEnrolment,
    DeviceLabels,
    DevicesRepository,
    DevicesService,
    GroupChanges,
    GroupMemberships,
    GroupsRepository,
    GroupsService,
    ManualAssignmentsService,
    MembershipRepository,
    PinsService,
    SlotCommits,
    SlotReportsService,
  ],
  exports: [
    AdoptionService,
    AssignmentsRepository,
    AssignmentsService,
    CalendarsRepository,
    DeviceConfigurations,
    DeviceLabels,
    DevicesService,
    GroupMemberships,
    SlotCommits,
    SlotReportsService,
  ],
})
export class FleetModule {}
