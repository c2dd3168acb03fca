import { Module } from '@nestjs/common';
import { EventStream } from './event-stream.js';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';

@Module({ controllers: [EventsController], providers: [EventStream, EventsService], exports: [EventsService] })
export class EventsModule {}
