import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { type Call, dataOf, type Outcome, type Target, type Transport } from './transport.js';
import { bytesField, joined, textField, varintsField } from './protobuf.js';

export const channelOptions = { 'grpc.max_receive_message_length': -1, 'grpc.use_local_subchannel_pool': 1 };
export const inferMethod = '/inference.GRPCInferenceService/ModelInfer';

/** Unary ModelInfer with raw contents; the message is encoded once, for what is measured is the server. */
export const grpc: Transport = {
  async open(target, call) {
    const client = new Client(address(target), credentials.createInsecure(), channelOptions);
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 5000, (error) => (error ? reject(error) : resolve()));
    });
    const request = requestOf(call);
    return { infer: () => infer(client, request, call), close: () => client.close() };
  },
};

export const address = (target: Target) => ('port' in target ? `127.0.0.1:${target.port}` : `unix:${target.path}`);
export const raw = (bytes: Buffer) => bytes;

function infer(client: Client, request: Buffer, { outputBytes, timeoutMs }: Call): Promise<Outcome> {
  const deadline = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  return new Promise((resolve) => {
    client.makeUnaryRequest(inferMethod, raw, raw, request, deadline, (error: ServiceError | null, answer?: Buffer) => {
      if (error?.code === status.RESOURCE_EXHAUSTED) resolve({ kind: 'shed' });
      else if (error) resolve({ kind: 'failed', reason: error.message });
      else if ((answer?.length ?? 0) < outputBytes) resolve({ kind: 'failed', reason: `an answer of ${answer?.length} bytes` });
      else resolve({ kind: 'ok' });
    });
  });
}

/** A ModelInferRequest of grpc_service.proto. */
export function requestOf({ slot, inputs }: Call): Buffer {
  const tensors = inputs.map((input) => ({ ...input, ...dataOf(input) }));
  const described = tensors.map(({ name, type, shape }) =>
    joined(textField(1, name), textField(2, type), varintsField(3, shape)),
  );
  return joined(
    textField(1, slot),
    ...described.map((tensor) => bytesField(5, tensor)),
    ...tensors.map(({ bytes }) => bytesField(7, bytes)),
  );
}
