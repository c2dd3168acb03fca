import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flotilla } from '../support/command-line.js';
import { aControlPlane, type TestControlPlane } from '../support/control-plane.js';
import { aNewDevice, enrolled } from '../support/fleet.js';

let cp: TestControlPlane;
let dir: string;

beforeAll(async () => {
  cp = await aControlPlane();
  dir = await mkdtemp(join(tmpdir(), 'flotilla-cli-'));
  await enrolled(cp, ...['lyon-1', 'lyon-2', 'turin-1'].map((id) => aNewDevice(id)));
  await cp.api('POST', 'groups', { name: 'turin', selector: 'site=turin' });
});
afterAll(async () => {
  await cp?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function refused(code: number, ...argv: readonly string[]): Promise<string> {
  const ended = await flotilla(cp, ...argv);
  expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^[^\n]{10,}\n$/) });
  return ended.stderr.trim();
}

describe('a file of devices', () => {
  const file = async (name: string, text: string) => {
    const path = join(dir, name);
    await writeFile(path, text);
    return path;
  };
  const problems = async (path: string) => {
    const { code, stdout, stderr } = await flotilla(cp, 'devices', 'import', path);
    expect([code, stdout]).toEqual([1, '']);
    return stderr.trim().replaceAll(path, 'FILE').split('\n');
  };

  it('names each bad line of CSV', async () => {
    const path = await file('devices.csv', 'name,claim,site\n\nlyon-8,,lyon\n"lyon 9",maybe,lyon\nlyon-10,token,"a ""b"""\n,,\n');
    expect(await problems(path)).toEqual([
      expect.stringMatching(/^FILE:4: name: a device id must be/),
      expect.stringMatching(/^FILE:4: claim: .*"token"\|"approval"\|"none"/),
      expect.stringMatching(/^FILE:6: name: a device id must be/),
    ]);
    expect(await problems(await file('devices.csv', 'name,site\nlyon-8,lyon,1\n'))).toEqual([
      expect.stringMatching(/^FILE: not CSV: Invalid Record Length.*line 2/),
    ]);
  });

  it('and of YAML, what the fleet has against it too', async () => {
    const text =
      'devices:\n  - name: lyon-8\n  - name: lyon-1\n    claim: none\n    labels:\n      agent: x\n  - { name: lyon-2 }\n';
    expect(await problems(await file('devices.yaml', text))).toEqual([
      'FILE:3: labels: "agent" is what selectors read from the device itself; choose another name',
      'FILE:7: lyon-2 is enrolled already: say "claim: none" to set its labels, or `flotilla devices replace lyon-2`',
    ]);
    expect(await problems(await file('devices.yaml', '- name: lyon-8\n  label: {}\n'))).toEqual([
      'FILE:1: unknown key "label"; did you mean "labels"?',
    ]);
    expect(await problems(await file('none.yaml', 'name: lyon-8'))).toEqual([expect.stringMatching(/^FILE: it must be a list/)]);
    expect(await problems(join(dir, 'nowhere.csv'))).toEqual(['FILE: cannot be read (ENOENT)']);
  });
});

describe('maintenance', () => {
  it.each([
    [['maybe', 'lyon-1'], 'maintenance is "on" or "off", not "maybe"'],
    [['on', 'lyon-1'], 'maintenance needs a --reason'],
    [['on', 'lyon-1', '--reason', 'new lamp', '--until', 'soon'], '"soon" is no time: write 2026-12-24T18:00:00Z, or 4h'],
  ])('%j is refused', async (argv, words) => {
    expect(await refused(64, 'devices', 'maintenance', ...argv)).toBe(words);
  });
});

describe('a group', () => {
  it.each([
    [
      ['change', 'turin', '--selector', 'a', '--add', 'lyon-1'],
      64,
      /^give one of --selector, --devices, and --add and --remove$/,
    ],
    [['change', 'turin', '--add', 'lyon-1'], 1, /^group turin has a selector, site=turin: give another selector/],
    [['change', 'turino', '--selector', 'a'], 1, /^no group turino; there is turin$/],
    [['preview', 'agent>=new'], 1, /a version like 1, 1\.2 or 1\.2\.3 after ">="/],
  ] as const)('%j is refused', async (argv, code, words) => {
    expect(await refused(code, 'groups', ...argv)).toMatch(words);
  });
});
