import { parseArgs } from 'node:util';
import { z } from 'zod';

export const scenarios = ['steady', 'churn', 'herd', 'outage', 'slow-links', 'clock-skew'] as const;
export type Scenario = (typeof scenarios)[number];

const count = z.coerce.number().int().min(1);
const Options = z.object({
  devices: count.max(20_000).default(100),
  scenario: z.enum(scenarios).default('steady'),
  seconds: count.default(30),
  broker: z.enum(['aedes', 'mosquitto']).default('aedes'),
  store: z.enum(['memory', 'file']).default('memory'),
  seed: z.coerce.number().int().min(0).default(1),
  perS: count.default(100),
  windowS: z.coerce.number().min(0.2).max(3600).default(10),
  uploadS: z.coerce.number().min(0.2).max(86_400).default(10),
  url: z.url({ protocol: /^https?$/ }).optional(),
});
export type Options = z.infer<typeof Options>;

export const usage = `npm run fleet-sim -- [OPTIONS]
  --devices N        how many (100)
  --scenario NAME    ${scenarios.join(', ')} (steady)
  --seconds N        how long, once all have joined (30)
  --per-s N          devices that join each second (100)
  --window-s N, --upload-s N   length of a window and time between uploads (10, 10)
  --broker NAME      aedes or mosquitto, of the control plane that is started for them (aedes)
  --store memory|file   where each device keeps its outbox: in memory, or in the agent's own file (memory)
  --seed N           the same seed draws the same measurements (1)
  --url URL          join the control plane there instead; FLOTILLA_TOKEN is an operator's token, with which each device is enrolled`;

/** Throws an Error with one sentence when an option is not understood. */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      devices: text,
      scenario: text,
      seconds: text,
      broker: text,
      store: text,
      seed: text,
      'per-s': text,
      'window-s': text,
      'upload-s': text,
      url: text,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { 'per-s': perS, 'window-s': windowS, 'upload-s': uploadS, help: _, ...rest } = values;
  const options = Options.safeParse({ ...rest, perS, windowS, uploadS });
  if (options.success) return options.data;
  throw new Error(options.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('; '));
}
