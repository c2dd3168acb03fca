import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageFolder } from '@flotilla/control-plane/package-folder';

export type Program = Readonly<{ pid: number; url: string; token: string; end(): Promise<void> }>;

/** The control plane as an operator starts it, on a data folder that is there. */
export async function aProgram(dataDir: string): Promise<Program> {
  const ports = { FLOTILLA_HTTP_PORT: '0', FLOTILLA_DEVICE_API_PORT: '0', FLOTILLA_MQTT_PORT: '0' };
  const child = fork(join(packageFolder, 'dist', 'src', 'main.js'), ['--exit-with-parent'], {
    env: { PATH: process.env['PATH'], ...ports, FLOTILLA_LOG_LEVEL: 'warn', FLOTILLA_DATA: dataDir },
    execArgv: [],
  });
  const ended = once(child, 'exit');
  const ready = await Promise.race([once(child, 'message'), ended.then(() => undefined)]);
  if (!ready) throw new Error('the control plane ended at its start');
  const { http, adminTokenFile } = ready[0] as Record<'http' | 'adminTokenFile', string>;
  const token = (await readFile(adminTokenFile, 'utf8')).trim();
  const end = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { pid: child.pid!, url: http, token, end };
}
