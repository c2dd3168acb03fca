import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { DataSource } from 'typeorm';
import { clientSource } from './client-source.js';
import { ControlPlaneConfig } from './config.js';
import { MqttLink } from './link/mqtt-client.js';
import { openApi } from './openapi.js';
import { buildOperatorApi } from './operator-api.js';
import { packageFolder } from './package-folder.js';
import { Artifacts } from './platform/artifacts.js';
import { openDataFolder } from './platform/data-folder.js';
import { createLogger } from './platform/logger.js';
import { TrustService } from './trust/trust.service.js';

/** The checked-in description of the operator API. */
export const openApiFile = join(packageFolder, 'openapi.json');

/** The client that is made of it. */
const clientFile = join(packageFolder, 'cli/flotilla-client.ts');

/** The description alone: the application is built and never started, so that neither database nor broker is needed. */
async function describeOperatorApi(): Promise<OpenAPIObject> {
  const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-openapi-'));
  const log = createLogger('silent');
  const folder = await openDataFolder(dataDir);
  try {
    const trust = await TrustService.open(folder, ['localhost']);
    trust.stop();
    const link = new MqttLink({ url: 'mqtts://localhost', tls: () => trust.controlPlaneTls(), kind: 'embedded', log });
    const app = await buildOperatorApi({
      config: ControlPlaneConfig.parse({ dataDir }),
      db: new DataSource({ type: 'postgres' }),
      artifacts: new Artifacts(folder.path('artifacts')),
      log,
      trust,
      link: { link, broker: { admit: async () => {}, dropSession: async () => {} } },
      surroundings: {
        startedAt: new Date(0),
        database: 'embedded',
        broker: () => ({ kind: 'embedded', connected: false }),
        certificates: () => trust.ends(),
      },
    });
    return openApi(app);
  } finally {
    folder.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** What is checked in, by file: the description, and the client that the command line uses. */
export async function describedFiles(): Promise<Record<string, string>> {
  const document = await describeOperatorApi();
  return { [openApiFile]: `${JSON.stringify(document, null, 2)}\n`, [clientFile]: clientSource(document) };
}

/** `--check`: writes nothing and ends with 1 where a file is out of step. */
if (import.meta.main) {
  const check = process.argv.includes('--check');
  for (const [file, text] of Object.entries(await describedFiles())) {
    const inStep = text === (await readFile(file, 'utf8').catch(() => ''));
    if (!inStep && !check) await writeFile(file, text);
    if (!inStep && check) process.exitCode = 1;
    const after = check ? 'is out of step: npx node control-plane/dist/src/write-openapi.js' : 'is written';
    process.stdout.write(`${file} ${inStep ? 'is in step' : after}\n`);
  }
}
