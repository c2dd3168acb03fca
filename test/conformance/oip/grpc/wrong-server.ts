import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { specificationFile } from '../specification.js';
import type { WrongServer } from '../fixtures.js';

type Call = { request: { inputs: { name: string }[] } };
type Answer = (error: { code: status; details: string } | null, response?: object) => void;

const tensor = (name: string) => ({ name, datatype: 'FP32', shape: ['-1', '2'] });

/** As the one in REST: speaks the protocol, and what it answers is wrong. */
const methods: UntypedServiceImplementation = {
  ServerLive: (_: Call, answer: Answer) => answer(null, { live: false }),
  ServerReady: (_: Call, answer: Answer) => answer(null, { ready: true }),
  ModelReady: (_: Call, answer: Answer) => answer(null, { ready: true }),
  ServerMetadata: (_: Call, answer: Answer) => answer(null, {}),
  ModelMetadata: (_: Call, answer: Answer) =>
    answer(null, { name: 'broken', platform: 'onnx_onnxv1', inputs: [tensor('x')], outputs: [tensor('y'), tensor('z')] }),
  ModelInfer: ({ request }: Call, answer: Answer) => {
    if (request.inputs.length === 0) answer({ code: status.INTERNAL, details: 'oops' });
    // One tensor raw for two outputs, and the id forgotten.
    else answer(null, { model_name: 'other', outputs: [tensor('y'), tensor('z')], raw_output_contents: [Buffer.alloc(8)] });
  },
};

export async function serveGrpcWrongly(): Promise<WrongServer> {
  const server = new Server();
  const options = { keepCase: true, longs: String, defaults: true };
  const definitions = loadSync(specificationFile('open_inference_grpc.proto'), options);
  server.addService(definitions['inference.GRPCInferenceService'] as ServiceDefinition, methods);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { url: `127.0.0.1:${port}`, close: async () => server.forceShutdown() };
}
