import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiClient } from '@flotilla/control-plane/cli/client';
import { RolloutReports } from '@flotilla/control-plane/rollouts/rollout-reports';
import { BootId, DeviceId, DeviceView, RolloutView, sha256 } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { flotilla } from '../support/command-line.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';
import { freePorts } from '../support/ports.js';
import { anUpdate } from '../support/records.js';
import { aReleaseFolder } from '../support/release-folder.js';
import { aRelease, pushed } from '../support/releases.js';
import { until } from '../support/until.js';

let cp: TestControlPlane;
let dir: string;

beforeAll(async () => {
  cp = await aControlPlane();
  dir = await mkdtemp(join(tmpdir(), 'flotilla-cli-'));
  await pushed(cp, aRelease('1.0.0'));
  await enrolled(cp, ...['lyon-1', 'lyon-2', 'turin-1'].map((id) => aNewDevice(id, { labels: { site: id.split('-')[0]! } })));
  await cp.api('POST', 'groups', { name: 'upper-cameras', selector: '*' });
  await cp.api('POST', 'groups', { name: 'turin', selector: 'site=turin' });
});
afterAll(async () => {
  await cp?.stop();
  await rm(dir, { recursive: true, force: true });
});

/** What one line on standard error says, and nothing else anywhere. */
async function refusal(code: number, ...argv: string[]): Promise<string> {
  const ended = await flotilla(cp, ...argv);
  expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^[^\n]{10,}\n$/) });
  return ended.stderr.trim();
}

describe('the control plane', () => {
  it('that does not run cannot be reached', async () => {
    const [port] = await freePorts(1);
    expect(await refusal(1, 'status', '--token', 'x', '--url', `http://127.0.0.1:${port}`)).toBe(
      `the control plane at http://127.0.0.1:${port} cannot be reached (ECONNREFUSED); is it running?`,
    );
  });

  it('may turn out to be something else', async () => {
    const other = createServer((_request, response) => response.end('<h1>It works!</h1>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect(await refusal(1, 'status', '--token', 'x', '--url', url)).toMatch(
      /^GET \/api\/v1\/status answered something unexpected: .*version\?$/,
    );
    other.close();
  });

  it.each([
    [['devices', 'list'], /^the token is not the right one: send .* with the content of admin-token in the data folder$/],
    [['releases', 'push'], /^the token is not the right one: give --token or FLOTILLA_TOKEN$/],
  ])('refuses another token to %j', async (command, words) => {
    const folder = command.includes('push') ? [await aReleaseFolder(dir)] : [];
    expect(await refusal(1, ...command, ...folder, '--token', 'not-the-right-one')).toMatch(words);
  });
});

describe('a command line', () => {
  it.each([
    ['devcies list', "unknown command 'devcies' (Did you mean devices?)"],
    ['devices lst', "unknown command 'lst' (Did you mean list?)"],
    ['telemetry cmpare --since 1d', "unknown command 'cmpare' (Did you mean compare?)"],
    ['devices show', "missing required argument 'device'"],
    ['devices list --jsn', "unknown option '--jsn' (Did you mean --json?)"],
    ['rollouts create', "required option '-f, --file <file>' not specified"],
    ['events --limit x', "option '--limit <n>' argument 'x' is invalid. It must be a whole number from 1 on."],
    ['events --limit 1.5', "option '--limit <n>' argument '1.5' is invalid. It must be a whole number from 1 on."],
    [
      'tokens create --expires-in x',
      "option '--expires-in <seconds>' argument 'x' is invalid. It must be a whole number from 1 on.",
    ],
    ['tokens create --label lyon', 'a label is written key=value, not "lyon"'],
    ['devices label lyon-1 site', 'a label is written key=value, not "site"'],
    ['releases show one', '"one" is no name of a release: it looks like product-classifier@1.2.0'],
    ['groups create empty', 'a group needs exactly one of --selector and --devices'],
    ['status --url localhost:8080', '"localhost:8080" is no address of a control plane: write it like http://127.0.0.1:8080'],
  ])('of "%s" is answered in a sentence', async (line, words) => {
    expect(await refusal(64, ...line.split(' '))).toBe(words);
  });

  it('without anything prints the help, a noun without a verb its own', async () => {
    expect(await flotilla(cp, '--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: flotilla') });
    expect(await flotilla(cp, 'rollouts')).toMatchObject({ code: 64, stderr: expect.stringContaining('roll-back') });
  });
});

describe('something that is not there', () => {
  it.each([
    ['devices show lyno-1', 'no device lyno-1; there are lyon-1, lyon-2, turin-1'],
    ['devices remove turin-9', 'no device turin-9; there are turin-1, lyon-2, lyon-1'],
    ['devices label lyon-3 a=b', 'no device lyon-3; there are lyon-2, lyon-1, turin-1'],
    ['devices replace Lyon-2', 'no device Lyon-2; there are lyon-2, lyon-1, turin-1'],
    ['groups show upper-camera', 'no group upper-camera; there are upper-cameras, turin'],
    ['groups remove torino', 'no group torino; there are turin, upper-cameras'],
    ['releases show product-classifier@1.0.1', 'no release product-classifier@1.0.1; there are product-classifier@1.0.0'],
    ['rollouts show product-classifier', 'no rollout product-classifier; there is none'],
  ])('%s: the nearest names are told', async (line, words) => {
    expect(await refusal(1, ...line.split(' '))).toBe(words);
  });

  it.each([
    ['devices list --selector site=,line=3', /^selector: expected a value after "=" at character 6/],
    ['groups create odd --selector a!b', /at character 2/],
    ['groups create ghosts --devices lyon-1,ghost', /^no active device ghost$/],
    ['groups create turin --selector *', /^group turin exists already; remove it first or choose another name$/],
    ['tokens create --name a/b', /^name: a device id must be 1 to 64 letters/],
    ['tokens create --expires-in 99999999', /^expiresInS: Too big: expected number to be <=2592000$/],
    ['devices label lyon-1 profile=jetson', /"profile" is what selectors read/],
  ])('%s: the control plane says what is wrong', async (line, words) => {
    expect(await refusal(1, ...line.split(' '))).toMatch(words);
  });
});

describe('a release folder', () => {
  const variant = (file: string) => ({ variants: [{ file, precision: 'int8', providers: ['cpu'] }] });

  it.each<[string, Record<string, unknown>, Record<string, string | null>, RegExp]>([
    [
      'without release.yaml',
      {},
      { 'release.yaml': null },
      /release\.yaml: cannot be read \(ENOENT\); a release is a folder with a release\.yaml$/,
    ],
    [
      'whose release.yaml is no YAML',
      {},
      { 'release.yaml': 'model: [a, b' },
      /release\.yaml: not YAML: Flow sequence in block collection/,
    ],
    [
      'whose release.yaml names a key twice',
      {},
      { 'release.yaml': 'model: a\nmodel: b\n' },
      /release\.yaml: not YAML: Map keys must be unique/,
    ],
    ['whose release.yaml is empty', {}, { 'release.yaml': '' }, /release\.yaml: Invalid input: expected object, received null$/],
    ['with an unknown key', { licens: 'MIT' }, {}, /release\.yaml: unknown key "licens"; did you mean "licence"\?$/],
    [
      'with an unknown key in a variant',
      { variants: [{ file: 'model.int8.onnx', precison: 'int8', precision: 'int8', providers: ['cpu'] }] },
      {},
      /release\.yaml: variants\.0: unknown key "precison"; did you mean "precision"\?$/,
    ],
    ['of another kind', { kind: 'Rollout' }, {}, /release\.yaml: kind: Invalid input: expected "Release"$/],
    [
      'with a version that is none',
      { version: '1.2' },
      {},
      /release\.yaml: version: must be a semantic version such as 1\.2\.0$/,
    ],
    ['whose variant is missing', variant('gone.onnx'), {}, /gone\.onnx: named by release\.yaml but cannot be read \(ENOENT\)$/],
    ['whose variant is a folder', variant('golden'), {}, /golden: named by release\.yaml but cannot be read \(EISDIR\)$/],
    ['whose variant is no ONNX file', variant('labels.txt'), {}, /variants: labels\.txt must be an \.onnx file$/],
    [
      'whose variant lies above it',
      variant('../model.onnx'),
      {},
      /release\.yaml: variants\.0\.file: must not contain "\." or "\.\."$/,
    ],
    ['whose variant lies anywhere', variant('/etc/passwd'), {}, /release\.yaml: variants\.0\.file: must be a relative path/],
    [
      'whose labels are missing',
      {},
      { 'labels.txt': null },
      /labels\.txt: named by release\.yaml but cannot be read \(ENOENT\)$/,
    ],
    [
      'without its golden folder',
      { golden: { folder: 'gold', tolerance: {} } },
      {},
      /release\.yaml: golden\.folder "gold" cannot be read \(ENOENT\)$/,
    ],
    ['without golden cases', {}, { 'golden/cases.json': null }, /golden: golden\/cases\.json is not among the release's files$/],
    [
      'whose golden cases are no JSON',
      {},
      { 'golden/cases.json': '{"v":1' },
      /golden\/cases\.json: .*expected object, received undefined$/,
    ],
    [
      'whose golden input is missing',
      {},
      { 'golden/cat.jpg': null },
      /the input cat\.jpg of "cat" is not among the release's files/,
    ],
    [
      'with a golden file of an odd name',
      {},
      { 'golden/a cat.jpg': 'x' },
      /golden\/a cat\.jpg: names of a release's files are letters, digits/,
    ],
    ['with an empty file', {}, { 'labels.txt': '' }, /files: labels\.txt is empty$/],
    [
      'for a board that nobody knows',
      { variants: [{ file: 'model.int8.onnx', precision: 'int8', providers: ['cpu'], profiles: ['jetson-nano'] }] },
      {},
      /is for "jetson-nano", which is no known profile/,
    ],
  ])('%s is refused in a sentence', async (_name, change, contents, words) => {
    expect(await refusal(1, 'releases', 'push', await aReleaseFolder(dir, change, contents))).toMatch(words);
  });

  it('that is none is refused in a sentence', async () => {
    expect(await refusal(1, 'releases', 'push', join(dir, 'nowhere'))).toMatch(
      /nowhere\/release\.yaml: cannot be read \(ENOENT\)/,
    );
  });

  it('that changed without another version is refused', async () => {
    expect((await flotilla(cp, 'releases', 'push', await aReleaseFolder(dir, { version: '6.0.0' }))).code).toBe(0);
    const changed = await aReleaseFolder(dir, { version: '6.0.0' }, { 'labels.txt': 'cat\ncow\n' });
    expect(await refusal(1, 'releases', 'push', changed)).toBe(
      'product-classifier@6.0.0 was pushed with other content before; a release never changes: raise its version',
    );
  });

  it('whose file was cut short on the control plane since is refused', async () => {
    const folder = await aReleaseFolder(dir, { version: '7.0.0' }, { 'model.int8.onnx': 'a model to cut' });
    const digest = sha256('a model to cut');
    const kept = join(cp.dataDir, 'artifacts', digest.slice(0, 2), digest);
    const client = new ApiClient(cp.url, cp.adminToken);
    await client.putArtifact(digest, join(folder, 'model.int8.onnx'), 14);
    await truncate(kept, 3);
    expect(await refusal(1, 'releases', 'push', folder)).toMatch(/model\.int8\.onnx has 3 bytes, the manifest says 14/);
  });

  it('whose file changes while it is pushed is refused', async () => {
    const file = join(dir, 'changing.onnx');
    await writeFile(file, 'after');
    const client = new ApiClient(cp.url, cp.adminToken);
    await expect(client.putArtifact(sha256('first'), file, 5)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('whose file is above the limit is refused before it is sent', async () => {
    const file = join(dir, 'large.onnx');
    await (await open(file, 'w')).close();
    const size = 2 * 1024 ** 3 + 1;
    await truncate(file, size);
    const client = new ApiClient(cp.url, cp.adminToken);
    const from = performance.now();
    await expect(client.putArtifact(sha256('large'), file, size)).rejects.toMatchObject({
      code: 'ARTIFACT_TOO_LARGE',
      message: `${size} bytes announced; one file may have 2147483648`,
    });
    expect(performance.now() - from).toBeLessThan(9000);
  });
});

const plan = {
  name: 'cautious',
  release: 'product-classifier@1.0.0',
  slot: 'inspection',
  target: '*',
  stages: [{ name: 'all', percent: 100, soak: '0s' }],
  gates: [{ metric: 'errors', max: 0.01, minInferences: 10 }],
  onBreach: 'pause',
};

async function planFile(text: string): Promise<string> {
  const file = join(dir, `plan-${(await readdir(dir)).length}.yaml`);
  await writeFile(file, text);
  return file;
}

describe('a plan file', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['with an unknown key', { onBreech: 'pause' }, /yaml: unknown key "onBreech"; did you mean "onBreach"\?$/],
    [
      'with an unknown key in a stage',
      { stages: [{ name: 'all', percent: 100, soek: '1m' }] },
      /yaml: stages\.0: unknown key "soek"; did you mean "soak"\?$/,
    ],
    ['with a selector that cannot be read', { target: 'site in lyon' }, /at character 9/],
    ['with a selector that names nobody', { target: 'site=mars' }, /^no active device matches "site=mars"$/],
    ['with both target and group', { group: 'turin' }, /yaml: needs exactly one of target and group$/],
    ['without a gate', { gates: [] }, /yaml: gates: a rollout without a gate would advance on hope$/],
    [
      'with a gate on nothing known',
      { gates: [{ metric: 'luck', max: 1 }] },
      /yaml: gates\.0\.metric: no such metric; there are compute\.mean, /,
    ],
    [
      'with a gate that is no number',
      { gates: [{ metric: 'errors', max: 'few' }] },
      /yaml: gates\.0\.max: Invalid input: expected number, received string$/,
    ],
    [
      'with only a gate that needs an incumbent',
      { gates: [{ metric: 'compute.mean', ratioToIncumbent: 1.2 }] },
      /^no gate holds without an incumbent: add one on errors/,
    ],
    [
      'with a time that is none',
      { stages: [{ name: 'all', percent: 100, soak: 'a while' }] },
      /yaml: stages\.0\.soak: must be a duration such as 90s, 10m, 2h or 7d$/,
    ],
    [
      'with a stage for nobody',
      { stages: [...plan.stages, { name: 'rest', percent: 100 }] },
      /^stage "rest" would have no device$/,
    ],
    [
      'for an unknown release',
      { release: 'product-classifier@8.0.0' },
      /^no release product-classifier@8\.0\.0; there are product-classifier@/,
    ],
    ['for an unknown group', { target: undefined, group: 'torino' }, /^no group torino/],
  ])('%s is refused in a sentence', async (_name, change, words) => {
    expect(await refusal(1, 'rollouts', 'create', '-f', await planFile(stringify({ ...plan, ...change })))).toMatch(words);
  });

  it('that is missing, or no YAML, is refused in a sentence', async () => {
    expect(await refusal(1, 'rollouts', 'create', '-f', join(dir, 'none.yaml'))).toMatch(
      /none\.yaml: cannot be read \(ENOENT\)$/,
    );
    expect(await refusal(1, 'rollouts', 'create', '-f', await planFile('stages: ]'))).toMatch(/yaml: not YAML: /);
  });
});

describe('a rollout in breach', () => {
  let rollout: RolloutView;
  beforeAll(async () => {
    const made = await flotilla(cp, 'rollouts', 'create', '-f', await planFile(stringify(plan)), '--json');
    rollout = RolloutView.parse(JSON.parse(made.stdout));
    const [device] = (await cp.api('GET', 'devices')).body.items.map((item: unknown) => DeviceView.parse(item)) as DeviceView[];
    const { deployment, digest } = device!.slots[0]!.assignment!;
    const boot = BootId.parse(randomUUID());
    const event = anUpdate(boot, {
      slot: rollout.slot,
      deployment,
      digest,
      state: 'failed',
      failure: 'golden',
      reason: 'top-1 0 of 8',
    });
    const updates = [{ device: DeviceId.parse(device!.id), event }];
    await cp.app.get(DataSource).transaction((tx) => cp.app.get(RolloutReports).record(tx, { updates, windows: [] }));
    await until(async () => (await cp.api('GET', `rollouts/${rollout.id}`)).body.reason === 'breach', 'it is paused by a breach');
  });

  it('is not resumed without a reason', async () => {
    expect(await refusal(1, 'rollouts', 'resume', 'cautious')).toMatch(
      /^a breach is resumed only with a reason \(1 of 3 devices .* failed on the release/,
    );
  });

  it('makes the watcher end with 2, and the doctor with 1', async () => {
    const watched = await flotilla(cp, 'rollouts', 'watch', rollout.id.slice(0, 8));
    expect(watched).toMatchObject({ code: 2, stdout: expect.stringContaining('paused (breach)') });
    const examined = await flotilla(cp, 'doctor');
    expect(examined).toMatchObject({ code: 1, stdout: expect.stringContaining('BAD  rollouts: 1 paused') });
    expect(examined.stdout).toMatch(
      /^ok {3}certificates: the authority's until \d{4}-\d\d-\d\d, the server's until \d{4}-\d\d-\d\d$/m,
    );
    expect(examined.stdout).toContain("ok   devices' certificates: none ends within 14 days");
  });

  it('is told in the events, by its name', async () => {
    const { stdout } = await flotilla(cp, 'events', '--rollout', 'cautious', '--kind', 'rollout-paused', '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { rollout: rollout.id, message: expect.stringContaining('paused in stage "all" (breach)') },
    ]);
  });

  it('cannot be paused again, and once cancelled nothing more is done with it', async () => {
    expect(await refusal(1, 'rollouts', 'pause', 'cautious')).toMatch(/paused/);
    expect((await flotilla(cp, 'rollouts', 'cancel', 'cautious')).code).toBe(0);
    expect(await refusal(1, 'rollouts', 'resume', 'cautious', '--accepting', 'one camera was covered')).toMatch(/cancelled/);
  });
});
