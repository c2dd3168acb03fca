import { AssignmentRequest, AssignmentResult } from '@flotilla/protocol';
import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { WhoAsks, type Operator } from '../access/operator.js';
import { ManualAssignmentsService } from './manual-assignments.service.js';

@Controller('api/v1/assignments')
export class AssignmentsController {
  constructor(@Inject(ManualAssignmentsService) private readonly assignments: ManualAssignmentsService) {}

  @Post()
  @HttpCode(200)
  @ApiResponse({ status: 200, standardSchema: AssignmentResult })
  async assign(@Body({ schema: AssignmentRequest }) request: AssignmentRequest, @WhoAsks() { name }: Operator) {
    const assigned = await this.assignments.assign(request, name);
    return { items: assigned.map(({ device, deployment }) => ({ device, deployment })) };
  }
}
