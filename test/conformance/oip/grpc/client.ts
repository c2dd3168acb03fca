import { Client, Metadata, type ServiceError, credentials, status } from '@grpc/grpc-js';
import { type MethodDefinition, type ServiceDefinition, loadSync } from '@grpc/proto-loader';
import { NotApplicable, type Trace, Violation } from '../check.js';
import { specificationFile } from '../specification.js';
import type { InferRequest, InferResponse } from './messages.js';

const options = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: [specificationFile('')],
};
const definitions = loadSync(['triton_extensions.proto', 'health.proto'], options);
const official = definitions['inference.GRPCInferenceService'] as ServiceDefinition;
const extensions = definitions['inference.TritonExtensions'] as ServiceDefinition;
const health = definitions['grpc.health.v1.Health'] as ServiceDefinition;

/** The extensions are methods of the protocol's own service; only their description is kept apart. */
const onTheWire = ({ path }: { path: string }) => path.replace('TritonExtensions', 'GRPCInferenceService');

const patienceMs = 30_000;
const maxBytes = 256 * 1024 * 1024;

type Called<Response> = { code: status; details: string; response?: Response };
type StreamAnswer = { error_message: string; infer_response?: InferResponse };

type Method = MethodDefinition<object, object>;

/** Calls by name, outcomes as values; remembers the last one. */
export class GrpcClient {
  last: Trace | undefined;
  readonly #client: Client;

  constructor(readonly target: string) {
    this.#client = new Client(target, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxBytes,
      'grpc.max_send_message_length': maxBytes,
    });
  }

  close(): void {
    this.#client.close();
  }

  async call<Response>(method: string, request: object, headers: Record<string, string> = {}): Promise<Called<Response>> {
    const definition = (official[method] ?? extensions[method] ?? health[method]) as Method;
    return this.raw<Response>(
      onTheWire(definition),
      definition.requestSerialize(request),
      definition,
      headers,
      shown(method, request),
    );
  }

  /** Bytes as they are, well-formed or not. */
  raw<Response>(
    path: string,
    bytes: Buffer,
    definition: Pick<Method, 'responseDeserialize'>,
    headers: Record<string, string> = {},
    sent = `${path} ${bytes.toString('hex').slice(0, 200)}`,
  ): Promise<Called<Response>> {
    this.last = { sent, came: 'nothing' };
    const trace = this.last;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const deadline = { deadline: Date.now() + patienceMs };
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        path,
        (message: Buffer) => message,
        definition.responseDeserialize,
        bytes,
        metadata,
        deadline,
        (error: ServiceError | null, response?: object) => {
          const [code, details] = error ? [error.code, error.details] : [status.OK, ''];
          trace.came = error ? `${status[code]}: ${details}` : shown('OK', response ?? {});
          resolve({ code, details, ...(response ? { response: response as Response } : {}) });
        },
      );
    });
  }

  /** The answer, or a violation that says how the call failed. */
  async succeed<Response>(method: string, request: object, headers: Record<string, string> = {}): Promise<Response> {
    const { code, details, response } = await this.call<Response>(method, request, headers);
    if (!response) throw new Violation(`${status[code]}: ${details}`);
    return response;
  }

  /** As `succeed`, for a method that a server may not have. */
  async offered<Response>(method: string, request: object): Promise<Response> {
    const { code, details, response } = await this.call<Response>(method, request);
    if (code === status.UNIMPLEMENTED) throw new NotApplicable(`the server does not offer ${method}`);
    if (!response) throw new Violation(`${status[code]}: ${details}`);
    return response;
  }

  /** Sends all, ends, and gathers what comes until the server ends. */
  stream(requests: readonly InferRequest[]): Promise<StreamAnswer[]> {
    const definition = extensions['ModelStreamInfer'] as Method;
    this.last = { sent: shown('ModelStreamInfer', requests), came: 'nothing' };
    const trace = this.last;
    return new Promise((resolve, reject) => {
      const answers: StreamAnswer[] = [];
      const { requestSerialize, responseDeserialize } = definition;
      const deadline = { deadline: Date.now() + patienceMs };
      const call = this.#client.makeBidiStreamRequest(
        onTheWire(definition),
        requestSerialize,
        responseDeserialize,
        new Metadata(),
        deadline,
      );
      call.on('data', (answer: StreamAnswer) => answers.push(answer));
      call.on('error', ({ code, details }: ServiceError) => {
        trace.came = `${status[code]}: ${details}`;
        const why = `${status[code]}: ${details}`;
        reject(
          code === status.UNIMPLEMENTED ? new NotApplicable('the server does not offer ModelStreamInfer') : new Violation(why),
        );
      });
      call.on('end', () => {
        trace.came = shown('', answers);
        resolve(answers);
      });
      for (const request of requests) call.write(request);
      call.end();
    });
  }
}

/** Bytes in hex, and no more than fits a line or two. */
function shown(method: string, message: object): string {
  const text = JSON.stringify(message, (_, value: unknown) => {
    const buffer = value as { type?: unknown; data?: number[] } | null;
    return buffer?.type === 'Buffer' ? `hex:${Buffer.from(buffer.data!).toString('hex').slice(0, 80)}` : value;
  });
  return `${method} ${text}`.slice(0, 500);
}
