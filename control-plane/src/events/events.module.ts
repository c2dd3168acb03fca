import { Module } from '@nestjs/common';
import { EventStream } from './event-stream.js';
import { EventTail } from './event-tail.js';
import { EventsController } from './events.controller.js';
import { EventsService } from './events.service.js';

@Module({ controllers: [EventsController], providers: [EventStream, EventTail, EventsService], exports: [EventsService] })
export class EventsModule {}
