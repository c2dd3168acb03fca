import {
  ConfigurationChange,
  ConfigurationFile,
  ConfigurationRollback,
  ConfigurationScope,
  ConfigurationView,
  pageOf,
} from '@flotilla/protocol';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { ListQuery } from '../listing.js';
import { IfMatch, type Precondition, Tagged } from '../platform/preconditions.js';
import { configurationTag, ConfigurationsService, VersionsQuery } from './configurations.service.js';

/** A group's or a device's name. */
const Name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const changeTag = ({ configuration }: ConfigurationChange) => configurationTag(configuration);
const VersionQuery = z.object({
  version: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional(),
});
type VersionQuery = z.infer<typeof VersionQuery>;

@Controller('api/v1/configurations')
export class ConfigurationsController {
  constructor(@Inject(ConfigurationsService) private readonly configurations: ConfigurationsService) {}

  @Post()
  @Tagged(changeTag)
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: ConfigurationChange })
  push(@Body({ schema: ConfigurationFile }) file: ConfigurationFile, @IfMatch() precondition: Precondition) {
    return this.configurations.push(file, precondition);
  }

  @Get()
  @ApiResponse({ status: 200, standardSchema: pageOf(ConfigurationView) })
  list(@Query({ schema: ListQuery }) query: ListQuery) {
    return this.configurations.list(query);
  }

  @Get(':scope/:name')
  @Tagged(configurationTag)
  @ApiResponse({ status: 200, standardSchema: ConfigurationView })
  show(
    @Param('scope', { schema: ConfigurationScope }) scope: ConfigurationScope,
    @Param('name', { schema: Name }) name: string,
    @Query({ schema: VersionQuery }) { version }: VersionQuery,
  ) {
    return this.configurations.show({ scope, name }, version);
  }

  @Get(':scope/:name/versions')
  @ApiResponse({ status: 200, standardSchema: pageOf(ConfigurationView) })
  versions(
    @Param('scope', { schema: ConfigurationScope }) scope: ConfigurationScope,
    @Param('name', { schema: Name }) name: string,
    @Query({ schema: VersionsQuery }) query: VersionsQuery,
  ) {
    return this.configurations.versions({ scope, name }, query);
  }

  @Post(':scope/:name/rollback')
  @Tagged(changeTag)
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: ConfigurationChange })
  rollBack(
    @Param('scope', { schema: ConfigurationScope }) scope: ConfigurationScope,
    @Param('name', { schema: Name }) name: string,
    @Body({ schema: ConfigurationRollback }) to: ConfigurationRollback,
    @IfMatch() precondition: Precondition,
  ) {
    return this.configurations.rollBack({ scope, name }, to, precondition);
  }

  @Delete(':scope/:name')
  @HttpCode(204)
  @ApiResponse({ status: 204, description: 'Deleted: its devices are sent what is left' })
  delete(
    @Param('scope', { schema: ConfigurationScope }) scope: ConfigurationScope,
    @Param('name', { schema: Name }) name: string,
    @IfMatch() precondition: Precondition,
  ) {
    return this.configurations.delete({ scope, name }, precondition);
  }
}
