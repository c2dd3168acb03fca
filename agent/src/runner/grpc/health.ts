import { inferenceService } from './answers.js';
import { type Schema, encode } from './encode.js';
import type { Method, Pieces } from './methods.js';
import { fields, textIn } from '../../protobuf.js';
import { CallError, codes } from './status.js';

export const healthService = 'grpc.health.v1.Health';

const statuses = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
const HealthCheckResponse: Schema = { status: { id: 1, type: 'enum', values: statuses } };
const HealthListResponse: Schema = { statuses: { id: 1, type: 'keyed', of: HealthCheckResponse } };
/** '' is the server as a whole. */
const services = ['', inferenceService, healthService];

/** The standard health service. A watched status changes once, when the runner moves on: then the stream ends, and its successor says more. */
export function healthMethods(isServing: () => boolean): ReadonlyMap<string, Method> {
  const status = () => ({ status: isServing() ? 'SERVING' : 'NOT_SERVING' }) as const;
  return new Map<string, Method>([
    [
      `/${healthService}/Check`,
      {
        kind: 'unary',
        handle: (request) => {
          const service = serviceIn(request);
          if (!services.includes(service)) throw new CallError(codes.notFound, `there is no service "${service}" here`);
          return [encode(HealthCheckResponse, status())];
        },
      },
    ],
    [`/${healthService}/List`, { kind: 'unary', handle: () => list(status()) }],
    [
      `/${healthService}/Watch`,
      {
        kind: 'streaming',
        lasting: true,
        handle: (request, _time, send) => {
          const known = services.includes(serviceIn(request));
          return send([encode(HealthCheckResponse, known ? status() : { status: 'SERVICE_UNKNOWN' })]);
        },
      },
    ],
  ]);
}

const list = (status: object): Pieces => [
  encode(HealthListResponse, { statuses: Object.fromEntries(services.map((service) => [service, status])) }),
];

function serviceIn(request: Buffer): string {
  let service = '';
  for (const field of fields(request)) if (field.id === 1) service = textIn(field);
  return service;
}
