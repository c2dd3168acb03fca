import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { ModelsModule } from '../models/models.module.js';
import { AssignmentsController } from './assignments.controller.js';
import { AssignmentsRepository } from './assignments.repository.js';
import { AssignmentsService } from './assignments.service.js';
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
import { MembershipRepository } from './membership.repository.js';
import { SlotReportsService } from './slot-reports.service.js';

/** Devices, groups, and which release each slot should run. */
@Module({
  imports: [EventsModule, ModelsModule],
  controllers: [AssignmentsController, ConfigurationsController, DevicesController, GroupsController],
  providers: [
    AssignmentsRepository,
    AssignmentsService,
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
    SlotReportsService,
  ],
  exports: [AssignmentsService, DeviceConfigurations, DeviceLabels, DevicesService, GroupMemberships, SlotReportsService],
})
export class FleetModule {}
