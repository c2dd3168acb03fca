import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GrpcClient } from '../fixtures/grpc-client.js';
import { Workshop } from '../fixtures/orders.js';
import { type Served, anywhere, serve } from '../fixtures/served.js';
import * as answers from './answers.js';
import { bytesField, type Schema } from './encode.js';

const protoFolder = fileURLToPath(new URL('../../../proto', import.meta.url));
const protos = [
  'grpc_service.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
];
const written = loadSync(protos, { includeDirs: [protoFolder], keepCase: true });
type Field = { name: string; number: number; type: string; label: string };
type Described = { type?: { field?: Field[] } };
const described = (of: typeof written, name: string) => (of[name] as Described | undefined)?.type?.field;
const fieldsOf = (of: typeof written, name: string) =>
  described(of, name)?.map(({ name: field, number, label, type }) => ({ field, number, label, type }));
const messages = Object.keys(written).filter((name) => described(written, name));

describe('what reflection tells', () => {
  const { files } = JSON.parse(readFileSync(`${protoFolder}/descriptors.json`, 'utf8')) as { files: { descriptor: string }[] };
  // A FileDescriptorSet holds the files as its first field.
  const set = Buffer.concat(files.flatMap(({ descriptor }) => bytesField(1, Buffer.from(descriptor, 'base64'))));
  const told = loadFileDescriptorSetFromBuffer(set, { keepCase: true });

  test('is what the .proto files say; `python agent/proto/describe.py` brings it in step', () => {
    expect(messages.length).toBeGreaterThan(60);
    for (const name of messages) expect(fieldsOf(told, name), name).toEqual(fieldsOf(written, name));
    for (const service of ['inference.GRPCInferenceService', 'grpc.health.v1.Health'])
      expect(Object.keys(told[service]!)).toEqual(Object.keys(written[service]!));
  });
});

describe('the answers', () => {
  const numbersOf = (schema: Schema) => Object.entries(schema).map(([field, { id }]) => [field, id] as const);
  test.each([
    ['ServerLiveResponse', answers.ServerLiveResponse],
    ['ServerReadyResponse', answers.ReadyResponse],
    ['ModelReadyResponse', answers.ReadyResponse],
    ['ServerMetadataResponse', answers.ServerMetadataResponse],
    ['ModelMetadataResponse', answers.ModelMetadataResponse],
    ['ModelConfigResponse', answers.ModelConfigResponse],
    ['ModelStatisticsResponse', answers.ModelStatisticsResponse],
    ['RepositoryIndexResponse', answers.RepositoryIndexResponse],
  ])('%s has the numbers of the .proto file', (name, schema) => {
    const numbers = new Map(fieldsOf(written, `inference.${name}`)!.map(({ field, number }) => [field, number]));
    for (const [field, id] of numbersOf(schema)) expect(numbers.get(field), field).toBe(id);
  });
});

describe('server reflection', () => {
  const workshop = new Workshop();
  let slot: Served;
  beforeAll(async () => {
    slot = await serve(workshop, await workshop.smallRelease('colour'), {}, { grpc: anywhere });
  });
  afterAll(async () => {
    await slot.close();
    await workshop.clear();
  });

  type Reflected = {
    list_services_response?: { service: { name: string }[] };
    file_descriptor_response?: { file_descriptor_proto: Buffer[] };
    error_response?: { error_code: number; error_message: string };
    original_request?: object;
  };

  test.each(['v1', 'v1alpha'])('%s lists services, and finds files by name and by symbol', async (version) => {
    const client = new GrpcClient(`127.0.0.1:${slot.ports.grpc}`, {}, `grpc.reflection.${version}.ServerReflection`);
    const stream = client.stream('ServerReflectionInfo');
    const ask = async (request: Record<string, unknown>) => {
      stream.write(request);
      return ((await once(stream, 'data')) as [Reflected])[0];
    };
    const { list_services_response } = await ask({ list_services: '' });
    expect(list_services_response?.service.map(({ name }) => name)).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'inference.GRPCInferenceService',
    ]);
    const bySymbol = await ask({ file_containing_symbol: 'inference.GRPCInferenceService.ModelInfer' });
    const byName = await ask({ file_by_filename: 'grpc_service.proto' });
    expect(byName.file_descriptor_response?.file_descriptor_proto[0]?.length).toBeGreaterThan(5000);
    expect(bySymbol.file_descriptor_response).toEqual(byName.file_descriptor_response);
    expect(bySymbol.original_request).toMatchObject({ file_containing_symbol: 'inference.GRPCInferenceService.ModelInfer' });
    const { error_response } = await ask({ file_containing_symbol: 'inference.Nothing' });
    expect(error_response).toEqual({ error_code: 5, error_message: '"inference.Nothing" is not known here' });
    stream.end();
    await once(stream.resume(), 'end');
    client.close();
  });
});
