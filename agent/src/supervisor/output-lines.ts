import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { messageOf } from '../errors.js';
import { http } from '../node-http.js';

const Outputs = z.object({
  outputs: z.array(
    z.object({
      kind: z.string(),
      slots: z.array(z.string()),
      state: z.string(),
      reason: z.string().optional(),
      sent: z.number().optional(),
      queued: z.number().optional(),
      dropped: z.number().optional(),
      clients: z.number().optional(),
    }),
  ),
});
type View = z.infer<typeof Outputs>['outputs'][number];

const patienceMs = 2000;

/** How outputs are, asked of the gateway where it listens; nothing where it does not, or no agent runs. */
export async function outputLines(address: { host: string; port: number } | undefined): Promise<[string, string][]> {
  if (!address || address.port === 0) return [];
  try {
    const { outputs } = Outputs.parse(await ask(address));
    return outputs.map((view) => [`${view.slots.join(', ')} ${view.kind}`, lineOf(view)]);
  } catch (error) {
    return [['outputs', `not known: the gateway does not answer (${messageOf(error)})`]];
  }
}

function ask({ host, port }: { host: string; port: number }): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(patienceMs);
  http.get({ host, port, path: '/v1/outputs', agent: false, signal }, resolve).on('error', reject);
  return promise.then((response) => json(response));
}

const lineOf = ({ state, reason, ...counts }: View): string => {
  const numbers = (['sent', 'queued', 'dropped', 'clients'] as const).flatMap((name) =>
    counts[name] === undefined ? [] : [`${counts[name]} ${name}`],
  );
  return [state, ...numbers].join(', ') + (reason === undefined ? '' : `: ${reason}`);
};
