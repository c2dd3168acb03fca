import { expect, it } from 'vitest';
import { Admission, type AdmissionLimits } from './admission.js';

class Caller {
  destroyed = false;
  destroy = () => void (this.destroyed = true);
}

function anAdmission(limits: Partial<AdmissionLimits> = {}) {
  const begun: Caller[] = [];
  let gaveUp = 0;
  const admission = new Admission<Caller>(
    { atOnce: 2, holdMs: 60_000, waitMs: 60_000, ...limits },
    (caller) => begun.push(caller),
    () => gaveUp++,
  );
  const callers = Array.from({ length: 4 }, () => new Caller());
  for (const caller of callers) admission.enter(caller);
  return { admission, begun, callers, gaveUp: () => gaveUp };
}

it('begins so many handshakes, and with each that ends the next in order', () => {
  const { admission, begun, callers } = anAdmission();
  expect(begun).toEqual(callers.slice(0, 2));
  admission.done();
  expect(begun).toEqual(callers.slice(0, 3));
  admission.stop();
});

it('passes by whoever has gone meanwhile', () => {
  const { admission, begun, callers } = anAdmission();
  callers[2]!.destroy();
  admission.done();
  expect(begun).toEqual([callers[0], callers[1], callers[3]]);
  admission.stop();
});

it('sends away who has waited for longer than anybody waits', async () => {
  const { admission, begun, callers, gaveUp } = anAdmission({ waitMs: -1 });
  expect(begun).toEqual([]);
  expect([gaveUp(), callers.every(({ destroyed }) => destroyed)]).toEqual([4, true]);
  admission.stop();
});

it('lets a handshake that takes long go on, and the next begin', async () => {
  const { admission, begun, callers } = anAdmission({ holdMs: 1 });
  await expect.poll(() => begun.length, { timeout: 10_000 }).toBe(4);
  expect(callers.some(({ destroyed }) => destroyed)).toBe(false);
  admission.stop();
});

it('sends away at its end all that still wait', () => {
  const { admission, callers } = anAdmission();
  admission.stop();
  expect(callers.map(({ destroyed }) => destroyed)).toEqual([false, false, true, true]);
});
