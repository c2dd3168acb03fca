import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Schema, bytesField, encode, lengthPrefix } from './encode.js';
import type { Method, Pieces } from './methods.js';
import { fields, textIn } from '../../protobuf.js';
import { codes } from './status.js';

const services = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];

/** Made by agent/proto/describe.mjs; `descriptor` is a FileDescriptorProto in base64. */
const Descriptors = z.object({
  services: z.array(z.string()),
  files: z.array(z.object({ name: z.string(), symbols: z.array(z.string()), descriptor: z.base64() })),
});
type Descriptors = z.infer<typeof Descriptors>;

// ServerReflectionResponse. The fields with the file and with the request as it came are written as bytes.
const fileDescriptorResponse = 4;
const originalRequest = 2;
const Listed: Schema = {
  list_services_response: {
    id: 6,
    type: 'message',
    of: { service: { id: 1, type: 'message', repeated: true, of: { name: { id: 1, type: 'text' } } } },
  },
};
const Failed: Schema = {
  error_response: {
    id: 7,
    type: 'message',
    of: { error_code: { id: 1, type: 'integer' }, error_message: { id: 2, type: 'text' } },
  },
};

/** Server reflection, so that grpcurl and its like need no .proto file. What it tells is read when somebody asks. */
export function reflectionMethods(): ReadonlyMap<string, Method> {
  let read: Promise<Descriptors> | undefined;
  const method: Method = {
    kind: 'streaming',
    handle: async (lent, _time, send) => {
      const request = Buffer.from(lent);
      await send(reflected(await (read ??= readDescriptors()), request));
    },
  };
  return new Map(services.map((service) => [`/${service}/ServerReflectionInfo`, method]));
}

/** The same path from src/ and from dist/. */
async function readDescriptors(): Promise<Descriptors> {
  const text = await readFile(new URL('../../../proto/descriptors.json', import.meta.url), 'utf8');
  return Descriptors.parse(JSON.parse(text));
}

function reflected({ services: offered, files }: Descriptors, request: Buffer): Pieces {
  const echo = bytesField(originalRequest, request);
  for (const field of fields(request)) {
    // By the oneof in ServerReflectionRequest; `host`, the first, is passed over.
    if (field.id === 3)
      return [
        ...echo,
        ...file(
          files.find(({ name }) => name === textIn(field)),
          textIn(field),
        ),
      ];
    if (field.id === 4)
      return [
        ...echo,
        ...file(
          files.find(({ symbols }) => declares(symbols, textIn(field))),
          textIn(field),
        ),
      ];
    if (field.id === 7)
      return [...echo, encode(Listed, { list_services_response: { service: offered.map((name) => ({ name })) } })];
  }
  return [...echo, failed(codes.unimplemented, 'only services, files by name and files by symbol can be asked for')];
}

/** A method or a nested message is found by the symbol that holds it. */
const declares = (symbols: readonly string[], asked: string) =>
  symbols.some((symbol) => asked === symbol || asked.startsWith(`${symbol}.`));

function file(found: Descriptors['files'][number] | undefined, asked: string): Pieces {
  if (!found) return [failed(codes.notFound, `"${asked}" is not known here`)];
  const descriptor = bytesField(1, Buffer.from(found.descriptor, 'base64'));
  const length = descriptor.reduce((sum, piece) => sum + piece.length, 0);
  return [lengthPrefix(fileDescriptorResponse, length), ...descriptor];
}

const failed = (error_code: number, error_message: string) => encode(Failed, { error_response: { error_code, error_message } });
