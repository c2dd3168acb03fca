import { CheckAnswer, type PlanCheck } from '@flotilla/protocol';
import { z } from 'zod';

type Verdict = Readonly<{ verdict: 'pass' | 'fail' | 'wait' | 'error'; detail: string }>;
const mostBytes = 65_536;

/** Asks once; whatever goes wrong is an answer, too: `error`, with the reason. */
export async function askCheck(check: PlanCheck, question: unknown, stopping?: AbortSignal): Promise<Verdict> {
  const late = AbortSignal.timeout(check.timeout * 1000);
  const signal = stopping ? AbortSignal.any([late, stopping]) : late;
  try {
    return check.type === 'webhook' ? await askWebhook(check, question, signal) : await askPrometheus(check, signal);
  } catch (error) {
    return { verdict: 'error', detail: reasonOf(error, check.timeout).slice(0, 500) };
  }
}

async function askWebhook(check: PlanCheck, question: unknown, signal: AbortSignal): Promise<Verdict> {
  const headers = { 'content-type': 'application/json' };
  return CheckAnswer.parse(await answer(check.url, { method: 'POST', headers, body: JSON.stringify(question), signal }));
}

const PrometheusAnswer = z.object({
  data: z.discriminatedUnion('resultType', [
    z.object({ resultType: z.literal('vector'), result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
    z.object({ resultType: z.literal('scalar'), result: z.tuple([z.number(), z.string()]) }),
  ]),
});

async function askPrometheus(check: Extract<PlanCheck, { type: 'prometheus' }>, signal: AbortSignal): Promise<Verdict> {
  const url = `${check.url.replace(/\/$/, '')}/api/v1/query?${new URLSearchParams({ query: check.query }).toString()}`;
  const { data } = PrometheusAnswer.parse(await answer(url, { signal }));
  const values = data.resultType === 'scalar' ? [data.result[1]] : data.result.map(({ value }) => value[1]);
  return withinLimit(check, values.map(valueOf));
}

/** No value, and what is not a number, say nothing: silence never passes. */
function withinLimit({ max, min }: { max?: number | undefined; min?: number | undefined }, values: readonly number[]): Verdict {
  if (values.length === 0) return { verdict: 'wait', detail: 'the query gives no value' };
  if (values.some(Number.isNaN)) return { verdict: 'wait', detail: 'the query gives what is not a number' };
  const worst = max === undefined ? Math.min(...values) : Math.max(...values);
  const holds = max === undefined ? worst >= min! : worst <= max;
  const detail =
    max === undefined
      ? `least of ${values.length}: ${worst}, at least ${min}`
      : `most of ${values.length}: ${worst}, at most ${max}`;
  return { verdict: holds ? 'pass' : 'fail', detail };
}

async function answer(url: string, request: RequestInit): Promise<unknown> {
  // To another place than the plan names, nothing is told.
  const response = await fetch(url, { ...request, redirect: 'error' });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`it answered ${response.status}`);
  }
  return JSON.parse(await textOf(response));
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Error(`its answer is longer than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Prometheus writes infinities as +Inf and -Inf. */
const valueOf = (text: string) => Number(text.replace('Inf', 'Infinity'));

function reasonOf(error: unknown, timeout: number): string {
  if (error instanceof z.ZodError) return `its answer is not what it should be: ${z.prettifyError(error).replaceAll('\n', ' ')}`;
  if (error instanceof SyntaxError) return 'its answer is not JSON';
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError') return `no answer within ${timeout} s`;
  const { code, message: why } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? why ?? message;
}
