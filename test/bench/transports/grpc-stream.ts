import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { address, channelOptions, raw, requestOf } from './grpc.js';
import type { Call, Connection, Outcome, Target, Transport } from './transport.js';

/** ModelStreamInfer: one stream for as long as the server keeps it, one inference on it at a time. */
export const grpcStream: Transport = {
  open: async (target, call) => new StreamConnection(target, call),
};

class StreamConnection implements Connection {
  readonly #client: Client;
  readonly #request: Buffer;
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;

  constructor(
    target: Target,
    private readonly call: Call,
  ) {
    this.#client = new Client(address(target), credentials.createInsecure(), channelOptions);
    this.#request = requestOf(call);
  }

  infer(): Promise<Outcome> {
    const stream = (this.#stream ??= this.#open());
    return new Promise((resolve) => {
      this.#settle = resolve;
      stream.write(this.#request);
    });
  }

  close(): void {
    this.#client.close();
  }

  #open(): ClientDuplexStream<Buffer, Buffer> {
    const stream = this.#client.makeBidiStreamRequest('/inference.GRPCInferenceService/ModelStreamInfer', raw, raw);
    stream.on('data', (answer: Buffer) => {
      const { outputBytes } = this.call;
      this.#answer(answer.length < outputBytes ? failed(answer.toString('utf8').slice(0, 200)) : { kind: 'ok' });
    });
    stream.on('error', (error: ServiceError) => {
      this.#stream = undefined;
      const moved = error.code === status.UNAVAILABLE && error.details.includes('moved');
      this.#answer(moved ? { kind: 'moved' } : failed(error.message));
    });
    return stream;
  }

  #answer(outcome: Outcome): void {
    this.#settle?.(outcome);
    this.#settle = undefined;
  }
}

const failed = (reason: string): Outcome => ({ kind: 'failed', reason });
