import { BackupRequest, BackupView } from '@flotilla/protocol';
import { Body, Controller, Inject, Post } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { BackupsService } from './backups.service.js';

@Controller('api/v1/backups')
export class BackupsController {
  constructor(@Inject(BackupsService) private readonly backups: BackupsService) {}

  @Post()
  @ApiResponse({ status: 201, standardSchema: BackupView })
  make(@Body({ schema: BackupRequest }) { folder }: BackupRequest) {
    return this.backups.make(folder);
  }
}
