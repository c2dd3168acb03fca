import { Module } from '@nestjs/common';
import { QueriesController } from './queries.controller.js';
import { QueriesService } from './queries.service.js';
import { QueryRepository } from './query.repository.js';

@Module({ controllers: [QueriesController], providers: [QueriesService, QueryRepository] })
export class QueriesModule {}
