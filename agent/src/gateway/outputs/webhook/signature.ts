import { createHmac } from 'node:crypto';

type Signed = { id: string; timestamp: string; body: string };

/** The headers of the Standard Webhooks specification, 1.0; without a secret nothing is signed. */
export function webhookHeaders({ id, timestamp, body }: Signed, secret: Buffer | undefined): Record<string, string> {
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (!secret) return headers;
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}

/** `whsec_` and base64, as the specification has it, or any other text as it is. Throws for one that protects nothing. */
export function secretIn(text: string, file: string): Buffer {
  const written = text.trim();
  const secret = written.startsWith('whsec_') ? Buffer.from(written.slice(6), 'base64') : Buffer.from(written);
  if (secret.byteLength >= 16) return secret;
  throw new Error(
    `${file} holds a secret of ${secret.byteLength} bytes, and less than 16 protect nothing: openssl rand -base64 32`,
  );
}
