import { SlotName } from '@flotilla/protocol/device';
import { afterEach, expect, test } from 'vitest';
import { Workshop } from '../fixtures/orders.js';
import { serve } from '../fixtures/served.js';

const workshop = new Workshop();
afterEach(() => workshop.clear());
const name = (text: string) => SlotName.parse(text);

test('a slot names the slots of its device, and where each is reached', async () => {
  const slots = [
    { slot: name('inspection'), scheme: 'http' as const, host: '127.0.0.1', port: 8000 },
    { slot: name('sorting'), scheme: 'https' as const, host: '0.0.0.0', port: 8443 },
    { slot: name('packing'), scheme: 'http' as const, host: '::1', port: 8002 },
  ];
  const slot = await serve(workshop, await workshop.smallRelease('colour'), { slots });
  expect(await (await fetch(`${slot.base}/v1/slots`)).json()).toEqual({
    slots: [
      { slot: 'inspection', http: 'http://127.0.0.1:8000', here: true },
      { slot: 'sorting', http: 'https://127.0.0.1:8443', here: false },
      { slot: 'packing', http: 'http://[::1]:8002', here: false },
    ],
  });
  await slot.close();
});

test('one that was told of none names itself', async () => {
  const slot = await serve(workshop, await workshop.smallRelease('colour'));
  const here = { slot: 'inspection', http: slot.base, here: true };
  expect(await (await fetch(`${slot.base}/v1/slots`)).json()).toEqual({ slots: [here] });
  await slot.close();
});
