import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

const port = z.coerce.number().int().min(1).max(65_535);
const Ports = z.object({
  http: port.default(8080),
  deviceApi: port.default(8443),
  mqtt: port.default(8883),
  agents: port.max(65_000).default(9001),
});

export type Options = { once: boolean; stay: boolean; fresh: boolean; dataDir: string; ports: z.output<typeof Ports> };

export const usage = `npm start [-- OPTIONS]
  --once           tell the story, then stop: exit 0 if each act went as told, 3 if this CPU does not show the regression, else 1
  --stay           only the first act: the fleet stays on 1.0.0, and 1.2.0 is pushed for a rollout of your own
  --fresh          begin anew: removes the local fleet's data first
  --data DIR       data folder (default: .flotilla)
  --port-http N    operator API and page (8080)      --port-device N  device API (8443)
  --port-mqtt N    embedded broker (8883)            --port-agents N  first of the devices' own ports (9001)`;

/** Throws an Error with one sentence when an option is not understood. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      once: { type: 'boolean', default: false },
      stay: { type: 'boolean', default: false },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      data: { type: 'string', default: '.flotilla' },
      'port-http': { type: 'string' },
      'port-device': { type: 'string' },
      'port-mqtt': { type: 'string' },
      'port-agents': { type: 'string' },
    },
  });
  if (values.help) return 'help';
  const ports = Ports.safeParse({
    http: values['port-http'],
    deviceApi: values['port-device'],
    mqtt: values['port-mqtt'],
    agents: values['port-agents'],
  });
  if (!ports.success)
    throw new Error(`a port is a number from 1 to 65535 (${ports.error.issues.map((i) => i.path.join('.')).join(', ')})`);
  if (values.once && values.stay) throw new Error('--once tells the whole story and stops, --stay tells its beginning: not both');
  return { once: values.once, stay: values.stay, fresh: values.fresh, dataDir: resolve(values.data), ports: ports.data };
}
