import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '@flotilla/control-plane/control-plane';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import type { z } from 'zod';

export interface TestControlPlane extends Omit<ControlPlane, 'stop'> {
  url: string;
  adminToken: string;
  dataDir: string;
  /** Asks the operator API as the admin; JSON in, JSON out. */
  api(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Stops, and leaves the data folder for another start. */
  halt(): Promise<void>;
  stop(): Promise<void>;
}
export interface Answer {
  status: number;
  // What comes back is what a test looks into; views are checked against their schemas where that is the point.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export type Settings = z.input<typeof ControlPlaneConfig>;

/** A whole control plane in this process, on free ports, with a database and a data folder of its own, which go with it. */
export async function aControlPlane(
  settings: Settings = {},
  options: Partial<ControlPlaneOptions> = {},
): Promise<TestControlPlane> {
  const dataDir = settings.dataDir ?? (await mkdtemp(join(tmpdir(), 'flotilla-')));
  const free = { port: 0 };
  const config = ControlPlaneConfig.parse({ http: free, deviceApi: free, mqtt: free, ...settings, dataDir });
  const forget = () => rm(dataDir, { recursive: true, force: true });
  const log = createLogger(process.env['FLOTILLA_TEST_LOG'] ?? 'silent');
  const running = await startControlPlane(config, { log, ...options }).catch(async (error: unknown) => {
    await forget();
    throw error;
  });
  const adminToken = (await readFile(running.adminTokenFile, 'utf8')).trim();
  const url = running.urls.http;
  return {
    ...running,
    url,
    adminToken,
    dataDir,
    api: (method, path, body) => ask(`${url}/api/v1/${path}`, method, adminToken, body),
    halt: () => running.stop(),
    stop: async () => {
      await running.stop();
      await forget();
    },
  };
}

/** Tests replace things whole without having read them; a calendar that is not there yet is none to replace. */
const unconditional: Record<string, Record<string, string>> = { PUT: { 'if-match': '*' }, PATCH: { 'if-match': '*' } };

async function ask(url: string, method: string, token: string, body: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(url.endsWith('/calendar') ? {} : unconditional[method]),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}
