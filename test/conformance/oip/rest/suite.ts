import { type Check, type Outcome, runChecks } from '../check.js';
import type { Signature } from '../values.js';
import { binary } from './binary.js';
import { RestClient, jsonOf } from './client.js';
import { RestContext } from './context.js';
import { errors } from './errors.js';
import { health } from './health.js';
import { infer } from './infer.js';
import { metadataChecks } from './metadata.js';
import { transport } from './transport.js';
import { triton } from './triton.js';

type Target = { url: string; model?: string; shapes?: ReadonlyMap<string, number[]> };

export const restChecks: readonly Check<RestContext>[] = [
  ...health,
  ...metadataChecks,
  ...infer,
  ...errors,
  ...binary,
  ...transport,
  ...triton,
];

/** All of REST against one model of one server. */
export async function runRest({ url, model, shapes }: Target): Promise<Outcome[]> {
  const client = new RestClient(url.replace(/\/+$/, ''));
  const name = model ?? (await onlyModel(client));
  const context = new RestContext(client, await describeModel(client, name), await extensionsOf(client), shapes);
  return runChecks(restChecks, context, () => client.last);
}

/** The server's own list, where it offers one: the protocol has none. */
async function onlyModel(client: RestClient): Promise<string> {
  const { status, body } = await client.send({ method: 'POST', path: '/v2/repository/index', body: {} });
  const listed = status === 200 ? (JSON.parse(body.toString()) as { name: string }[]).map(({ name }) => name) : [];
  if (listed.length === 1) return listed[0]!;
  const known = listed.length === 0 ? 'the server lists no models' : `the server has ${listed.join(', ')}`;
  throw new Error(`say which model to test with --model NAME: ${known}`);
}

/** As far as it can be read: what is wrong with it is for the checks to say. */
async function describeModel(client: RestClient, name: string): Promise<RestContext['model']> {
  const came = await client.send({ path: `/v2/models/${encodeURIComponent(name)}` });
  if (came.status !== 200)
    throw new Error(`GET /v2/models/${name} answered ${came.status}: ${came.body.toString().slice(0, 200)}`);
  const { versions, inputs, outputs } = jsonOf(came) as { versions?: string[]; inputs?: Signature[]; outputs?: Signature[] };
  return { name, versions: versions ?? [], inputs: inputs ?? [], outputs: outputs ?? [] };
}

async function extensionsOf(client: RestClient): Promise<string[]> {
  const came = await client.send({ path: '/v2' });
  if (came.status !== 200) return [];
  return (jsonOf(came) as { extensions?: string[] }).extensions ?? [];
}
