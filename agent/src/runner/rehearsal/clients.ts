import { once } from 'node:events';
import type { Agent, IncomingMessage } from 'node:http';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { http, http2 } from '../../node-http.js';
import { type Schema, bytesField, encode } from '../grpc/encode.js';
import { framed } from '../grpc/framing.js';
import { binaryOf } from '../oip/tensor-binary.js';
import { type Probed, probe } from '../probe.js';

/** One inference, asked again and again over one connection. Throws where it is not answered. */
export type Client = { ask: () => Promise<void>; close: () => void };
export type Asked = { slot: string; inputs: readonly Probed[] };

export function restClient(socketPath: string, { slot, inputs }: Asked): Client {
  const tensors = tensorsFor(inputs);
  const described = tensors.map(({ data, ...tensor }) => ({ ...tensor, parameters: { binary_data_size: data.length } }));
  const head = Buffer.from(JSON.stringify({ parameters: { binary_data_output: true }, inputs: described }));
  const body = Buffer.concat([head, ...tensors.map(({ data }) => data)]);
  const headers = { 'inference-header-content-length': String(head.length), 'content-length': String(body.length) };
  const agent = new http.Agent({ keepAlive: true });
  const path = `/v2/models/${encodeURIComponent(slot)}/infer`;
  return { ask: () => post({ socketPath, path, headers, agent }, body), close: () => agent.destroy() };
}

async function post(to: { socketPath: string; path: string; headers: Record<string, string>; agent: Agent }, body: Buffer) {
  const request = http.request({ ...to, method: 'POST' });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`REST answered ${response.statusCode}`);
}

const InferRequest: Schema = {
  model_name: { id: 1, type: 'text' },
  inputs: {
    id: 5,
    type: 'message',
    repeated: true,
    of: { name: { id: 1, type: 'text' }, datatype: { id: 2, type: 'text' }, shape: { id: 3, type: 'integer', repeated: true } },
  },
};
const rawInputContents = 7;
const callHeaders = {
  ':method': 'POST',
  ':path': '/inference.GRPCInferenceService/ModelInfer',
  'content-type': 'application/grpc',
  te: 'trailers',
};
/** A whole answer: no waiting for the client's own window. */
const settings = { initialWindowSize: 4 * 1024 * 1024 };

export async function grpcClient(path: string, { slot, inputs }: Asked): Promise<Client> {
  const tensors = tensorsFor(inputs);
  const message = [
    encode(InferRequest, { model_name: slot, inputs: tensors }),
    ...tensors.flatMap(({ data }) => bytesField(rawInputContents, data)),
  ];
  const request = Buffer.concat(framed(message));
  const session = http2().connect('http://localhost', { createConnection: () => connect(path), settings });
  await once(session, 'connect');
  return { ask: () => call(session, request), close: () => session.destroy() };
}

async function call(session: ClientHttp2Session, request: Buffer): Promise<void> {
  const stream = session.request(callHeaders);
  let status: unknown;
  const note = (headers: IncomingHttpHeaders) => (status = headers['grpc-status'] ?? status);
  stream.on('response', note).on('trailers', note).resume();
  stream.end(request);
  await once(stream, 'close');
  if (status !== '0') throw new Error(`gRPC answered with status ${String(status)}`);
}

const tensorsFor = (inputs: readonly Probed[]) =>
  inputs.map((input) => {
    const { name, type, shape, ...made } = probe(input, 0);
    return { name, datatype: type, shape, data: binaryOf({ name, type, shape, ...made }) };
  });
