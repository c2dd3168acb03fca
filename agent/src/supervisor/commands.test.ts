import { expect, it } from 'vitest';
import { answer } from './commands.js';
import { createLogging } from './logger.js';

const nonce = 'n'.repeat(16);
const logging = createLogging('info', () => {});
const ask = (command: Parameters<typeof answer>[0]['command']) =>
  answer(
    { command, nonce },
    async () => ({ epoch: 3 }),
    (maxLength) => logging.recent(maxLength),
  );

it('a diagnosis is told as JSON', async () => {
  expect(await ask('diagnose')).toEqual({ nonce, ok: true, detail: '{"epoch":3}' });
});

it('the last lines of the log are sent, as many as an event can carry', async () => {
  for (let i = 0; i < 300; i += 1) logging.log.info({ i }, 'x'.repeat(50));
  const { ok, detail } = await ask('collect-logs');
  expect(ok).toBe(true);
  expect(detail).toHaveLength(8000);
  expect(detail).toMatch(/"i":299,.*\n$/);
});

it('samples cannot be captured yet, and the answer says so', async () => {
  expect(await ask('capture-samples')).toEqual({ nonce, ok: false, detail: 'not available in this version' });
});
