import { type Server, createServer } from 'node:http';

export type WrongServer = { url: string; close: () => Promise<void> };

const metadata = {
  name: 'broken',
  versions: ['1'],
  platform: 'onnx_onnxv1',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};

/** Speaks the protocol, and each of its answers has something wrong with it. */
export async function serveWrongly(): Promise<WrongServer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { status, body } = answer(request.url!, Buffer.concat(chunks).toString());
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, close: () => closed(server) };
}

const closed = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

function answer(path: string, text: string): { status: number; body: unknown } {
  if (path === '/v2') return { status: 200, body: { name: 'wrong', extensions: ['binary_tensor_data'] } };
  if (path === '/v2/models/broken') return { status: 200, body: metadata };
  if (path.endsWith('/infer')) return inferWrongly(text);
  // A server that is ready for anything.
  return { status: 200, body: {} };
}

/** Values beyond the shape, the id forgotten, outputs that nobody asked for, faults as successes or as the server's own. */
function inferWrongly(text: string): { status: number; body: unknown } {
  try {
    const { inputs } = JSON.parse(text) as { inputs: { shape: number[] }[] };
    const outputs = ['y', 'z'].map((name) => ({ name, datatype: 'FP64', shape: inputs[0]!.shape, data: [1, 2, 3] }));
    return { status: 200, body: { model_name: 'other', outputs } };
  } catch {
    return { status: 500, body: { message: 'oops' } };
  }
}
