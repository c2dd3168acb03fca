import { existsSync } from 'node:fs';
import { cp as copy, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '@flotilla/control-plane/cli/program';
import { pushRelease } from '@flotilla/control-plane/cli/push-release';
import { FlotillaClient } from '@flotilla/control-plane/cli/flotilla-client';
import { version } from '@flotilla/control-plane/cli/settings';
import { DevicesService } from '@flotilla/control-plane/fleet/devices.service';
import { type DeviceView, RolloutPlan, RolloutView } from '@flotilla/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { aShell, checkout, examplesOf, leaves } from '../support/command-line.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice } from '../support/fleet.js';
import { ObedientFleet } from '../support/obedient-fleet.js';
import { until } from '../support/until.js';

const label = (site: string, count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${site}-${i + 1}`, { site, line: String(i + 1) }]));
/** The example's stages, for six devices and for somebody who waits. */
const hurried = (plan: string) => plan.replaceAll(/soak: \w+/g, 'soak: 0s');

let cp: TestControlPlane;
let fleet: ObedientFleet;
let shell: Awaited<ReturnType<typeof aShell>>;
let plan: RolloutPlan;

beforeAll(async () => {
  cp = await aControlPlane();
  shell = await aShell(cp, hurried);
  plan = RolloutPlan.parse(parse(await readFile(join(shell.dir, 'deploy/examples/rollout.yaml'), 'utf8')));
  const client = new FlotillaClient(cp.url, cp.adminToken);
  for (const each of ['1.0.0', '1.2.0']) await pushRelease(client, join(checkout, 'test/models/releases', each));
  await pushRelease(client, await withBaseline(join(checkout, 'test/models/releases/1.2.0'), '2.0.0'));
  fleet = await ObedientFleet.join(cp, { ...label('lyon', 3), ...label('turin', 3) });
  for (const site of ['lyon', 'turin']) await cp.api('POST', 'groups', { name: site, selector: `site=${site}` });
  await until(async () => (await cp.api('GET', 'status')).body.leader, 'it leads');
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  await shell?.close();
  await cp?.stop();
});

/** The release's folder as a later version, with what its inputs looked like. */
async function withBaseline(release: string, later: string): Promise<string> {
  const folder = join(shell.dir, 'with-baseline');
  await copy(release, folder, { recursive: true });
  const inputs = [{ input: 'images', statistic: 'mean', edges: [0.5], counts: [3, 1] }];
  await writeFile(join(folder, 'baseline.json'), JSON.stringify({ v: 1, inferences: 4, inputs }));
  const manifest = await readFile(join(release, 'release.yaml'), 'utf8');
  await writeFile(
    join(folder, 'release.yaml'),
    `${manifest.replace(/^version: .*$/m, `version: ${later}`)}baseline: baseline.json\n`,
  );
  return folder;
}

const rollouts = async () => (await cp.api('GET', 'rollouts')).body.items as RolloutView[];
const command = (id: string, type: string) => cp.api('POST', `rollouts/${id}/commands`, { type });

const inPhase = async (...phases: RolloutView['phase'][]) => (await rollouts()).filter(({ phase }) => phases.includes(phase));

/** Nothing moves, and every device is on the old release, which it was seen to run. */
async function quiet(): Promise<void> {
  for (const { id } of await inPhase('running', 'paused', 'awaiting-approval')) await command(id, 'cancel');
  await until(async () => (await inPhase('rolling-back')).length === 0, 'no rollout is taken back any more');
  for (const { id } of (await cp.api('GET', 'blocks')).body.items) await cp.api('POST', `blocks/${id}/lift`, { reason: 'over' });
  await cp.api('DELETE', pinned);
  fleet.inferOnceCommitted(250);
  await runsEverywhere('product-classifier@1.0.0');
}

async function runsEverywhere(release: string): Promise<void> {
  await cp.api('POST', 'assignments', { release, slot: plan.slot, target: plan.target });
  await until(async () => {
    const { items } = (await cp.api('GET', 'devices')).body;
    // An epoch is reported when it is heard of, which is before it is done.
    return items.every(
      ({ epoch, reportedEpoch, slots }: DeviceView) =>
        reportedEpoch === epoch && slots.every((s) => s.reported?.committed === s.assignment?.digest),
    );
  }, `every device is on ${release}`);
}

/** A rollout whose first stage waits for its evidence: it would go on waiting until the stage's deadline. */
async function underWay(inferences = 0): Promise<RolloutView> {
  await quiet();
  fleet.inferOnceCommitted(inferences);
  const { body } = await cp.api('POST', 'rollouts', plan);
  expect(body).toMatchObject({ phase: 'running' });
  return RolloutView.parse(body);
}

const forgetAnn = () => cp.api('DELETE', 'operators/ann');

/** A rollout that somebody else has planned, and that waits for the admin's word. */
async function asked(): Promise<void> {
  await quiet();
  await forgetAnn();
  const { token } = (await cp.api('POST', 'operators', { name: 'ann' })).body;
  const response = await fetch(`${cp.url}/api/v1/rollouts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...plan, approval: { count: 1 } }),
  });
  expect(await response.json()).toMatchObject({ phase: 'awaiting-approval' });
}

const pinned = 'devices/lyon-2/slots/inspection/pin';
const pin = () => cp.api('PUT', pinned, { release: 'product-classifier@1.0.0', reason: 'certified' });
const onTheNewRelease = () => quiet().then(() => runsEverywhere('product-classifier@1.2.0'));
const killed = async () => {
  await onTheNewRelease();
  await cp.api('POST', 'kills', { model: 'product-classifier', version: '1.2.0', reason: 'it bites' });
};

const someRollout = async () => (await rollouts()).length > 0 || underWay();

const inShell = (name: string) => join(shell.dir, name);
const anew = (name: string) => rm(inShell(name), { recursive: true, force: true });
const backUp = async () => existsSync(inShell('backup-today')) || cp.api('POST', 'backups', { folder: inShell('backup-today') });

const aConfiguration = async (minScore = 0.5) => {
  const slots = { inspection: { source: { directory: '/srv/pictures' }, pipeline: { minScore } } };
  const file = { apiVersion: 'flotilla/v1', kind: 'Configuration', group: 'lyon', slots };
  expect((await cp.api('POST', 'configurations', file)).status).toBe(200);
};

/** lyon-1 has told of a window. */
const measured = async () => {
  if ((await cp.api('GET', 'telemetry?by=device&device=lyon-1')).body.items.length > 0) return;
  await underWay(1500);
  await until(async () => (await cp.api('GET', 'telemetry?by=device&device=lyon-1')).body.items.length > 0, 'it has measured');
};

/** What must be so before a command is typed. */
const before: Readonly<Record<string, () => Promise<unknown>>> = {
  'devices pin': quiet,
  'devices unpin': () => quiet().then(pin),
  'devices why': killed,
  kill: onTheNewRelease,
  'kills list': killed,
  'kills show': killed,
  'blocks list': killed,
  'blocks lift': killed,
  'devices approve': async () => {
    const waiting = aNewDevice('lyon-7');
    if ((await cp.api('GET', 'devices/lyon-7')).status !== 200)
      await cp.app.get(DataSource).transaction((tx) => cp.app.get(DevicesService).enrol(tx, waiting, { approval: true }));
  },
  'groups change': () => cp.api('POST', 'groups', { name: 'upper-cameras', selector: 'camera=upper' }),
  'groups create': () => cp.api('DELETE', 'groups/upper-cameras'),
  'groups remove': () => cp.api('POST', 'groups', { name: 'turin', selector: 'site=turin' }),
  'telemetry tail': measured,
  'rollouts list': someRollout,
  'rollouts show': someRollout,
  'rollouts watch': () => underWay(1500),
  'rollouts plan': quiet,
  'rollouts create': quiet,
  'rollouts apply': quiet,
  'rollouts pause': () => underWay(),
  'rollouts resume': async () => command((await underWay()).id, 'pause'),
  'rollouts roll-back': () => underWay(),
  'rollouts retry': () => underWay(),
  'rollouts approve': asked,
  'rollouts reject': asked,
  'rollouts withdraw-approval': asked,
  'operators create': forgetAnn,
  'operators remove': () => forgetAnn().then(() => cp.api('POST', 'operators', { name: 'ann' })),
  'rollouts cancel': () => underWay(),
  'configurations show': () => aConfiguration(),
  'configurations history': () => aConfiguration(),
  'configurations rollback': () => aConfiguration(0.5).then(() => aConfiguration(0.6)),
  'configurations delete': () => aConfiguration(),
  doctor: quiet,
  backup: () => anew('backup-today'),
  restore: () => Promise.all([backUp(), anew('restored-data')]),
};

const commands = [...leaves()];
const last = ['devices approve', 'devices replace', 'devices remove', 'groups remove'];
const inOrder = commands.toSorted(([a], [b]) => last.indexOf(a) - last.indexOf(b));

describe('the command line', () => {
  it('has the verbs that the glossary names', () => {
    expect(commands.map(([name]) => name)).toEqual(
      expect.arrayContaining(['devices list', 'rollouts resume', 'doctor', 'restore']),
    );
    expect(commands.length).toBeGreaterThan(25);
  });

  it('is of the version of its package', async () => {
    const { version: packaged } = JSON.parse(await readFile(join(checkout, 'control-plane/package.json'), 'utf8'));
    expect([version, program().version()]).toEqual([packaged, packaged]);
  });

  it.each(commands)('flotilla %s has an example in its help, and in the guide', async (name, leaf) => {
    const guide = await readFile(join(checkout, 'docs/cli.md'), 'utf8');
    const examples = examplesOf(leaf);
    expect(examples).not.toEqual([]);
    for (const line of examples) {
      expect(line).toMatch(new RegExp(`^flotilla ${name}( |$)`));
      expect(guide).toContain(`$ ${line}\n`);
    }
  });
});

describe.each(inOrder.flatMap(([name, leaf]) => examplesOf(leaf).map((line) => ({ name, line }))))('$line', ({ name, line }) => {
  it('does what it says', async () => {
    await before[name]?.();
    const { code, stdout, stderr } = await shell.sh(line);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim()).not.toBe('');
  });

  it('says so as one JSON value with --json', async () => {
    await before[name]?.();
    const { code, stdout, stderr } = await shell.sh(`${line} --json`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(typeof JSON.parse(stdout)).toBe('object');
  });
});
