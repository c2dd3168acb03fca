import { expect, it } from 'vitest';
import { firstHostState, hostOnNewConnection, hostSaid, type HostState } from './host-state.js';

const said = (host: HostState, online: unknown, timestamp: unknown) =>
  hostSaid(host, Buffer.from(JSON.stringify({ online, timestamp })));

it('is what it said last, by its own clock', () => {
  const online = said(firstHostState, true, 1000) as HostState;
  expect(online).toEqual({ is: 'online', timestamp: 1000 });
  expect(said(online, false, 999)).toEqual({
    ignored: 'is older (1970-01-01T00:00:00.999Z) than what the host said before (1970-01-01T00:00:01.000Z)',
  });
  // The will of a host's own connection has the time of its birth.
  expect(said(online, false, 1000)).toEqual({ is: 'offline', timestamp: 1000 });
});

it('must say so again on a new connection, and not with an older word', () => {
  const anew = hostOnNewConnection({ is: 'online', timestamp: 1000 });
  expect(anew.is).toBe('unknown');
  expect(said(anew, true, 999)).toHaveProperty('ignored');
  expect(said(anew, true, 1000)).toEqual({ is: 'online', timestamp: 1000 });
});

it.each(['ONLINE', '', '{}', '{"online": "true", "timestamp": 1}', '{"online": true}', '{"online": true, "timestamp": 1e300}'])(
  'says nothing with %s',
  (payload) => expect(hostSaid(firstHostState, Buffer.from(payload))).toHaveProperty('ignored'),
);
