import { resolve } from 'node:path';
import { z } from 'zod';

/** How a slot, or the gateway, may be reached from the network: TLS always, and who asks shows a client certificate or a token. Paths of PEM files. */
export const Exposure = z
  .strictObject({
    /** The slot's own, with what lies between it and the CA that clients trust. */
    certificate: z.string().min(1),
    key: z.string().min(1),
    /** Whoever has a certificate of one of these may ask. */
    clientCa: z.string().min(1).optional(),
    /** One bearer token a line, or sha256:<its hash>. */
    tokens: z.string().min(1).optional(),
  })
  .refine(({ clientCa, tokens }) => clientCa !== undefined || tokens !== undefined, {
    message: 'needs clientCa (whose client certificates are taken) or tokens (a file of bearer tokens), or both',
  });
export type Exposure = z.infer<typeof Exposure>;

type Address = { host: string; port: number };
/** `listen`: whatever a slot listens on; what has no host, a UNIX socket say, can't be reached from the network. */
type Slot = { listen: Readonly<Record<string, unknown>>; expose?: Exposure | undefined };

export const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

const isAddress = (value: unknown): value is Address => typeof value === 'object' && value !== null && 'host' in value;

/** What is wrong with where a slot listens, in a sentence; undefined where nothing is. */
export function exposureComplaint(slots: Readonly<Record<string, Slot>>): string | undefined {
  for (const [name, { listen, expose }] of Object.entries(slots)) {
    if (expose) continue;
    for (const [kind, address] of Object.entries(listen))
      if (isAddress(address) && !isLoopback(address.host))
        return `slots.${name}.listen.${kind}: ${address.host}:${address.port} can be reached from the network; give the slot "expose" with a certificate, its key, and clientCa or tokens, or listen on 127.0.0.1.`;
  }
  return undefined;
}

type Gateway = { listen: { http: Address }; expose?: Exposure | undefined };
/** The same of the gateway. */
export function gatewayComplaint(gateway: Gateway | undefined): string | undefined {
  if (!gateway || gateway.expose || isLoopback(gateway.listen.http.host)) return undefined;
  const { host, port } = gateway.listen.http;
  return `gateway.listen.http: ${host}:${port} can be reached from the network; give the gateway "expose" with a certificate, its key, and clientCa or tokens, or listen on 127.0.0.1.`;
}

export const exposureFrom = (folder: string, { certificate, key, clientCa, tokens }: Exposure): Exposure => ({
  certificate: resolve(folder, certificate),
  key: resolve(folder, key),
  ...(clientCa === undefined ? {} : { clientCa: resolve(folder, clientCa) }),
  ...(tokens === undefined ? {} : { tokens: resolve(folder, tokens) }),
});
