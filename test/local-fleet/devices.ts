import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

export type LocalDevice = {
  name: string;
  labels: Record<string, string>;
  port: number;
  /** Of gRPC, where it has one. */ grpcPort?: number;
};
export const slot = 'inspection';

/** Six devices at two sites. */
export const localDevices = (firstPort: number): LocalDevice[] =>
  ['lyon', 'turin'].flatMap((site, s) =>
    [1, 2, 3].map((n) => ({
      name: `${site}-${n}`,
      labels: { site, line: String(n), fleet: 'local' },
      port: firstPort + s * 3 + n - 1,
    })),
  );

/** Writes a device's folder and agent.yaml; returns the file. */
export async function writeAgentConfig(folder: string, device: LocalDevice, server: string, pictures: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'agent.yaml');
  const { port, grpcPort } = device;
  const listen = { http: `127.0.0.1:${port}`, ...(grpcPort ? { grpc: `127.0.0.1:${grpcPort}` } : {}) };
  const config = {
    server,
    name: device.name,
    data: 'data',
    labels: device.labels,
    slots: {
      [slot]: { listen, source: { directory: pictures, perSecond: 8, then: 'repeat' } },
    },
    remoteConfiguration: { folders: [pictures] },
    limits: { predictionsMb: 5, storeMb: 60 },
  };
  await writeFile(
    file,
    `# A device of the local fleet. What a real one would have in /etc/flotilla/agent.yaml.\n${stringify(config)}`,
    { mode: 0o600 },
  );
  return file;
}
