import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Route } from '../../http/http.js';
import type { ServeOrder } from '../loading.js';
import type { SlotList } from './slot-schemas.js';

const wildcards = new Set(['0.0.0.0', '::']);
const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** Every slot has an address of its own; whoever knows one finds the others here. */
export const slotsRoute = ({ slot: here, slots }: Pick<ServeOrder, 'slot' | 'slots'>): Route => ({
  method: 'GET',
  path: '/v1/slots',
  handle: (_params, { socket }) => {
    const { localAddress = '', localPort } = socket;
    // Where a slot listens on all addresses, the one that the client came by will do.
    const listed = slots.map(({ slot, scheme, host, port }) => ({
      slot,
      http: `${scheme}://${bracketed(wildcards.has(host) ? localAddress.replace(/^::ffff:/, '') : host)}:${port}`,
      here: slot === here,
    }));
    const own = { slot: here, http: `${schemeOf(socket)}://${bracketed(localAddress)}:${localPort}`, here: true };
    return { body: { slots: listed.length > 0 ? listed : [own] } satisfies SlotList };
  },
});

const schemeOf = (socket: IncomingMessage['socket']) => ((socket as TLSSocket).encrypted ? 'https' : 'http');
