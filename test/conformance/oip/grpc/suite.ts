import { type Check, type Outcome, runChecks } from '../check.js';
import type { Signature } from '../values.js';
import { GrpcClient } from './client.js';
import { GrpcContext, type GrpcModel } from './context.js';
import { errors } from './errors.js';
import { healthAndMetadata } from './health.js';
import { infer } from './infer.js';
import { triton } from './triton.js';

type GrpcTarget = { grpc: string; model?: string; shapes?: ReadonlyMap<string, number[]> };

export const grpcChecks: readonly Check<GrpcContext>[] = [...healthAndMetadata, ...infer, ...errors, ...triton];

/** All of gRPC against one model of one server. */
export async function runGrpc({ grpc, model, shapes }: GrpcTarget): Promise<Outcome[]> {
  const client = new GrpcClient(grpc.replace(/^grpc:\/\//, ''));
  try {
    const name = model ?? (await onlyModel(client));
    const context = new GrpcContext(client, await describeModel(client, name), shapes);
    return await runChecks(grpcChecks, context, () => client.last);
  } finally {
    client.close();
  }
}

async function onlyModel(client: GrpcClient): Promise<string> {
  const { response } = await client.call<{ models: { name: string }[] }>('RepositoryIndex', {});
  const names = (response?.models ?? []).map(({ name }) => name);
  if (names.length === 1) return names[0]!;
  throw new Error(`say which model to test with --model NAME: the server lists ${names.join(', ') || 'none'}`);
}

type Described = { versions: string[]; inputs: TensorMetadata[]; outputs: TensorMetadata[] };
type TensorMetadata = { name: string; datatype: string; shape: string[] };

async function describeModel(client: GrpcClient, name: string): Promise<GrpcModel> {
  const { details, response } = await client.call<Described>('ModelMetadata', { name });
  if (!response) throw new Error(`ModelMetadata of ${name}: ${details}`);
  const signature = (tensor: TensorMetadata): Signature => ({ ...tensor, shape: tensor.shape.map(Number) });
  const { versions, inputs, outputs } = response;
  return { name, versions, inputs: inputs.map(signature), outputs: outputs.map(signature) };
}
