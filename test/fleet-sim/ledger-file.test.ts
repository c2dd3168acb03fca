import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aWindow, someVitals } from '../support/records.js';
import { newBoot } from '../support/fake-device.js';
import { LedgerFile, readLedger } from './ledger-file.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'flotilla-ledger-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const boot = newBoot();
const window = (key: number) => aWindow(boot, { computeCpuUs: key });

it('tells what was kept from what was being kept, and of a damaged outbox only what was acknowledged', () => {
  const file = new LedgerFile(join(folder, 'ledger'));
  const vitals = someVitals(boot, { memoryUsedBytes: 7 });
  file.keeping('a', [window(1), window(2), vitals]);
  file.kept('a', [window(1), window(2), vitals]);
  file.keeping('a', [window(3)]);
  file.acknowledged('a', [window(1)]);
  file.close();
  const read = (damaged: boolean) => readLedger(join(folder, 'ledger'), () => damaged)['a'];
  expect(read(false)).toMatchObject({ windows: [1, 2], vitals: [7], maybe: { windows: [3], vitals: [] } });
  expect(read(true)).toMatchObject({ windows: [1], vitals: [], maybe: { windows: [2, 3], vitals: [7] } });
});
