import type { Credentials } from '../../runner-protocol.js';
import type { Security } from './security.js';

/** TLS is loaded only for a slot that is exposed: the others keep the memory. */
export async function openSecurity(credentials: Credentials | undefined): Promise<Security | undefined> {
  if (!credentials) return undefined;
  const { Security } = await import('./security.js');
  return new Security(credentials);
}
