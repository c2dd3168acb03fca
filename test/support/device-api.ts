import { request } from 'node:https';

export interface DeviceAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks into what it got
  body: any;
}

interface DeviceRequest {
  method?: string;
  headers?: Record<string, string>;
  /** JSON, or bytes as they are. */
  body?: unknown;
  ca: string;
  key?: string;
  cert?: string;
}

/** One request to the device API, on a connection of its own. */
export function askDeviceApi(
  url: string,
  { body, ca, key, cert, method = 'GET', headers = {} }: DeviceRequest,
): Promise<DeviceAnswer> {
  const payload = body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const json = payload ? { 'content-type': 'application/json', 'content-length': String(payload.length) } : {};
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, ca, key, cert, headers: { ...json, ...headers }, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const isJson = String(answer.headers['content-type']).includes('json');
        resolve({
          status: answer.statusCode!,
          headers: answer.headers,
          bytes,
          body: isJson ? JSON.parse(bytes.toString()) : undefined,
        });
      });
    });
    sent.on('error', reject);
    sent.end(payload);
  });
}
