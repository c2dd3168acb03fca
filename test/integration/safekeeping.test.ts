import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DeviceId, sha256 } from '@flotilla/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aShell, flotilla } from '../support/command-line.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { deviceTls } from '../support/credentials.js';
import { FakeDevice } from '../support/fake-device.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { anEmptyDatabase } from '../support/postgres.js';
import { aRelease, pushed } from '../support/releases.js';
import { until } from '../support/until.js';

const release = aRelease('1.0.0');
let cp: TestControlPlane;
let shell: Awaited<ReturnType<typeof aShell>>;
const at = (name: string) => join(shell.dir, name);

beforeAll(async () => {
  cp = await aControlPlane();
  shell = await aShell(cp);
  await pushed(cp, release);
});
afterAll(async () => {
  await shell?.close();
  await cp?.stop();
});

/** Groups, made one after another until it is stopped. */
function writing() {
  const made: string[] = [];
  let stopped = false;
  const ended = (async () => {
    while (!stopped) {
      const name = `written-${made.length}`;
      const { status } = await cp.api('POST', 'groups', { name, selector: '*' });
      expect(status).toBe(201);
      made.push(name);
    }
  })();
  const stop = async () => {
    stopped = true;
    await ended;
  };
  return { made, stop };
}

const groupsOf = async (controlPlane: TestControlPlane) => {
  const { stdout } = await flotilla(controlPlane, 'groups', 'list', '--json');
  return (JSON.parse(stdout) as { name: string }[]).map((group) => group.name);
};

describe('a backup made while everything goes on', { timeout: 120_000 }, () => {
  let before: string[];
  let tls: Awaited<ReturnType<typeof deviceTls>>;
  let restored: TestControlPlane;

  beforeAll(async () => {
    tls = await deviceTls(cp.app.get(TrustService), 'lyon-1');
    await enrolled(cp, aNewDevice('lyon-1', { labels: { site: 'lyon' }, certificateSerial: tls.serial }));
    await pushed(cp, aRelease('1.1.0'));
    await cp.api('POST', 'kills', { model: 'product-classifier', version: '1.1.0', reason: 'it bites' });
    const writer = writing();
    await until(() => writer.made.length > 20, 'groups were made');
    before = [...writer.made];
    const made = await shell.sh('flotilla backup kept');
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^backup +.*kept\nfiles +\d+\nsize +[\d.]+ MB\n$/) });
    await writer.stop();
    expect(await shell.sh('flotilla restore kept --data again')).toMatchObject({ code: 0, stderr: '' });
    restored = await aControlPlane({ dataDir: at('again') });
  }, 120_000);
  afterAll(() => restored?.stop());

  it('brings back what was there, and no half of what came meanwhile', async () => {
    const groups = await groupsOf(restored);
    expect(groups).toEqual(expect.arrayContaining(before));
    expect(groups.toSorted()).toEqual(groups.map((_, i) => `written-${i}`).toSorted());
  });

  it('brings back the admin token and the keys: an enrolled device connects with the certificate that it has', async () => {
    expect(restored.adminToken).toBe(cp.adminToken);
    expect(restored.app.get(TrustService).caSha256()).toBe(cp.app.get(TrustService).caSha256());
    const { key, cert, ca } = tls;
    const device = new FakeDevice({ url: restored.urls.mqtt, device: DeviceId.parse('lyon-1'), tls: { key, cert, ca } });
    await device.join();
    await device.stop();
  });

  it('brings back what keeps killed releases away', async () => {
    expect(await readFile(at('kept/blocks.json'), 'utf8')).toContain('"reason": "it bites"');
    expect((await restored.api('GET', 'blocks')).body.items).toMatchObject([{ version: '1.1.0', reason: 'it bites' }]);
  });

  it('brings back releases with their artifacts', async () => {
    expect((await flotilla(restored, 'releases', 'show', 'product-classifier@1.0.0')).code).toBe(0);
    for (const [path, bytes] of release.files) {
      const response = await fetch(`${restored.url}/api/v1/artifacts/${sha256(bytes)}`, {
        headers: { authorization: `Bearer ${restored.adminToken}` },
      });
      expect([path, sha256(Buffer.from(await response.arrayBuffer()))]).toEqual([path, sha256(bytes)]);
    }
  });

  it('is told in the events of the control plane that made it', async () => {
    const { items } = (await cp.api('GET', 'events?kind=backup-made')).body;
    expect(items).toMatchObject([{ message: expect.stringMatching(/^backed up to .*kept: \d+ files$/) }]);
  });

  it.each([
    ['a folder that holds something', 'again', /again is not empty: restore into an empty or a new folder$/],
    ['a control plane that runs', () => cp.dataDir, /is not empty: restore into an empty or a new folder$/],
  ])('is not restored over %s', async (_what, data, words) => {
    const folder = typeof data === 'string' ? data : data();
    const { code, stdout, stderr } = await shell.sh(`flotilla restore kept --data '${folder}'`);
    expect([code, stdout, stderr.trim()]).toEqual([1, '', expect.stringMatching(words)]);
  });

  it('is not restored where the database is an external one', async () => {
    const { code, stderr } = await shell.sh('DATABASE_URL=postgres://db/flotilla flotilla restore kept --data external');
    expect([code, stderr]).toEqual([1, expect.stringContaining('restore it with its own tools, pg_restore')]);
    expect(existsSync(at('external'))).toBe(false);
  });

  it('takes along what was killed since, out of the data folder of before', async () => {
    const blocks = (await readFile(at('kept/blocks.json'), 'utf8')).replace('it bites', 'it bites since');
    await mkdir(at('before'));
    expect(await shell.sh('flotilla restore kept --data after --blocks-of before')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/before has no blocks\.json: name the data folder of before\n$/),
    });
    await writeFile(at('before/blocks.json'), blocks);
    expect(await shell.sh('flotilla restore kept --data after --blocks-of before')).toMatchObject({ code: 0, stderr: '' });
    expect(await readFile(at('after/blocks.json'), 'utf8')).toBe(blocks);
  });

  it('that is cut short is refused, and leaves nothing', async () => {
    const manifest = JSON.parse(await readFile(at('kept/backup.json'), 'utf8')) as { files: { path: string; size: number }[] };
    const largest = manifest.files.toSorted((a, b) => b.size - a.size)[0]!;
    await truncate(at(`kept/${largest.path}`), largest.size - 1);
    const damaged = await shell.sh('flotilla restore kept --data from-damaged');
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringMatching(/is damaged: its checksum is another one\n$/)]);
    await rm(at(`kept/${largest.path}`));
    const incomplete = await shell.sh('flotilla restore kept --data from-damaged');
    expect([incomplete.code, incomplete.stderr]).toEqual([1, expect.stringMatching(/is incomplete: .* is missing\n$/)]);
    await truncate(at('kept/backup.json'), 100);
    const unreadable = await shell.sh('flotilla restore kept --data from-damaged');
    expect([unreadable.code, unreadable.stderr]).toEqual([1, expect.stringMatching(/backup\.json can't be read/)]);
    expect(await readdir(at('from-damaged'))).toEqual([]);
  });
});

describe('a backup', { timeout: 60_000 }, () => {
  it.each([
    [
      'into a folder that is there',
      () => at('bin'),
      409,
      'BACKUP_REFUSED',
      /bin exists already: name a folder that is not there yet$/,
    ],
    [
      'into the data folder',
      () => join(cp.dataDir, 'secrets/copy'),
      409,
      'BACKUP_REFUSED',
      /is in the data folder, which is what is copied/,
    ],
    ['to where no folder can be made', () => at('a-file/backup'), 409, 'BACKUP_REFUSED', /can't be written: /],
    ['to where there is no end of trying', () => '/proc/nope', 409, 'BACKUP_REFUSED', /can't be begun: ENOENT/],
    [
      'into a relative folder',
      () => 'backup',
      400,
      'INVALID_REQUEST',
      /^folder: must be an absolute path on the control plane's machine$/,
    ],
  ])('%s is refused', async (_where, folder, status, code, detail) => {
    await writeFile(at('a-file'), '');
    const answer = await cp.api('POST', 'backups', { folder: folder() });
    expect([answer.status, answer.body]).toEqual([
      status,
      expect.objectContaining({ code, detail: expect.stringMatching(detail) }),
    ]);
  });

  it('is for the admin only', async () => {
    const response = await fetch(`${cp.url}/api/v1/backups`, { method: 'POST' });
    expect(response.status).toBe(401);
  });

  it('is made one at a time', async () => {
    await mkdir(at('two'));
    const answers = await Promise.all(['a', 'b'].map((name) => cp.api('POST', 'backups', { folder: at(`two/${name}`) })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 409]));
    expect(answers.find(({ status }) => status === 409)!.body.detail).toMatch(
      /^a backup to .* is under way: wait for it to end$/,
    );
  });

  it('of an external database is left to its own tools', async () => {
    const database = await anEmptyDatabase();
    const external = await aControlPlane({ databaseUrl: database.url });
    const { code, stderr } = await flotilla(external, 'backup', at('external-backup'));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^the database is an external one .* pg_dump or pg_basebackup/)]);
    await external.stop();
    await database.close();
  });
});
