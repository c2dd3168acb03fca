import { DesiredState } from '@flotilla/protocol/device';
import { fixtures } from '@flotilla/protocol/fixtures';
import { describe, expect, it } from 'vitest';
import { aDirector } from './fixtures/director.js';
import { judgeCommand, judgeDesired, verifyDesired } from './signed-messages.js';

const director = await aDirector();
const anchor = { directorKey: director.directorKey, device: 'lyon-1', keyThumbprint: 'A'.repeat(43) };
const of = (kind: 'good' | 'bad', schema: string) => fixtures(kind).filter((fixture) => fixture.schema === schema);

describe('the device reads the golden messages of the wire', () => {
  it.each(of('good', 'DesiredState'))('believes $name when the director signed it', async ({ message }) => {
    expect(await verifyDesired(anchor, await director.sign(message))).toMatchObject({ desired: DesiredState.parse(message) });
  });
  it.each(of('bad', 'DesiredState'))('refuses $name although the director signed it', async ({ message }) => {
    expect(await verifyDesired(anchor, await director.sign(message))).toMatchObject({ refused: 'garbled' });
  });
  it.each(of('good', 'Command'))('takes $name', async ({ message }) => {
    expect(await judgeCommand(anchor, () => false, 0, await director.sign(message))).not.toHaveProperty('refused');
  });
  it.each(of('bad', 'Command'))('refuses $name', async ({ message }) => {
    expect(await judgeCommand(anchor, () => false, 0, await director.sign(message))).toMatchObject({ refused: 'garbled' });
  });
  it.each(of('bad', 'SignedMessage'))('refuses $name', async ({ message }) => {
    expect(await judgeDesired(anchor, { epoch: 0 }, 0, String(message))).toHaveProperty('refused');
  });
});
