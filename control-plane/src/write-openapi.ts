import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { DataSource } from 'typeorm';
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

/** The description alone: the application is built and never started, so that neither database nor broker is needed. */
export async function describeOperatorApi(): Promise<OpenAPIObject> {
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
      surroundings: { startedAt: new Date(0), database: 'embedded', broker: () => ({ kind: 'embedded', connected: false }) },
    });
    return openApi(app);
  } finally {
    folder.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

export const openApiText = async () => `${JSON.stringify(await describeOperatorApi(), null, 2)}\n`;

/** `--check`: writes nothing and ends with 1 where the file is out of step. */
if (import.meta.main) {
  const before = await readFile(openApiFile, 'utf8').catch(() => '');
  const text = await openApiText();
  const inStep = text === before;
  if (process.argv.includes('--check')) {
    process.stdout.write(
      inStep ? 'openapi.json is in step\n' : 'openapi.json is out of step: node control-plane/dist/src/write-openapi.js\n',
    );
    process.exitCode = inStep ? 0 : 1;
  } else {
    if (!inStep) await writeFile(openApiFile, text);
    process.stdout.write(`${openApiFile} ${inStep ? 'was in step already' : 'is written'}\n`);
  }
}
