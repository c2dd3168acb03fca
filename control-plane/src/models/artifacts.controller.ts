import { PassThrough, Readable } from 'node:stream';
import { Digest, StoredArtifact } from '@flotilla/protocol';
import { Controller, Get, Head, HttpStatus, Inject, Param, Put, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiProduces, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Artifacts } from '../platform/artifacts.js';
import { AppError } from '../platform/errors.js';
import { limits } from './manifest-checks.js';

const bytes = 'application/octet-stream';

/** Content-addressed files of releases. Bodies are streams from end to end: nothing holds a file in memory. */
@Controller('api/v1/artifacts')
export class ArtifactsController {
  constructor(@Inject(Artifacts) private readonly artifacts: Artifacts) {}

  @Put(':sha256')
  @ApiConsumes(bytes)
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiResponse({ status: 201, description: 'Stored', standardSchema: StoredArtifact })
  @ApiResponse({ status: 200, description: 'Was there already', standardSchema: StoredArtifact })
  async put(
    @Param('sha256', { schema: Digest }) sha256: Digest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { size, created } = await this.artifacts.put(sha256, uploadOf(request), limits.file);
    reply.code(created ? HttpStatus.CREATED : HttpStatus.OK);
    return { sha256, size };
  }

  // Before `get`: Fastify would otherwise answer HEAD by reading the whole file.
  @Head(':sha256')
  @ApiResponse({ status: 200, description: 'It is there; Content-Length says its size' })
  async head(@Param('sha256', { schema: Digest }) sha256: Digest, @Res() reply: FastifyReply) {
    const stored = await this.artifacts.has(sha256);
    await reply
      .code(stored ? HttpStatus.OK : HttpStatus.NOT_FOUND)
      .headers(stored ? { 'content-length': stored.size, 'content-type': bytes } : {})
      .send();
  }

  @Get(':sha256')
  @ApiProduces(bytes)
  @ApiResponse({ status: 200, schema: { type: 'string', format: 'binary' } })
  async get(@Param('sha256', { schema: Digest }) sha256: Digest) {
    if (!(await this.artifacts.has(sha256))) throw new AppError('ARTIFACT_NOT_FOUND', `no artifact ${sha256}`);
    const { stream, size } = await this.artifacts.open(sha256);
    return new StreamableFile(stream, { type: bytes, length: size });
  }
}

/** The parser for octet streams hands the request's own stream over as its body. */
function uploadOf({ headers, body }: FastifyRequest): Readable {
  if (headers['content-type']?.split(';')[0] !== bytes || !(body instanceof Readable))
    throw new AppError('INVALID_REQUEST', `an artifact is sent as its bare bytes with Content-Type: ${bytes}`);
  const announced = Number(headers['content-length'] ?? 0);
  if (announced > limits.file)
    throw new AppError('ARTIFACT_TOO_LARGE', `${announced} bytes announced; one file may have ${limits.file}`);
  return refusable(body);
}

/** Of an upload that is refused midway the rest is read and dropped: a client that is still sending would not see the reason. */
function refusable(upload: Readable): Readable {
  const content = new PassThrough();
  upload.once('error', (error) => content.destroy(error));
  content.once('close', () => upload.resume());
  return upload.pipe(content);
}
