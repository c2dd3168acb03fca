import { Module } from '@nestjs/common';
import { BlocksRepository } from './blocks.repository.js';
import { BlocksService } from './blocks.service.js';

/** Releases that must not be offered. */
@Module({ providers: [BlocksRepository, BlocksService], exports: [BlocksService] })
export class BlocksModule {}
