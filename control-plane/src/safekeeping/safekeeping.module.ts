import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { BackupsController } from './backups.controller.js';
import { BackupsService } from './backups.service.js';

/** What is needed to begin again on another machine. */
@Module({ imports: [EventsModule], controllers: [BackupsController], providers: [BackupsService] })
export class SafekeepingModule {}
