import type { Credentials } from '../credentials.js';
import type { Security } from './security.js';

/** TLS is loaded only where it is exposed: the others keep the memory. */
export async function openSecurity(
  credentials: Credentials | undefined,
  what: 'slot' | 'gateway' = 'slot',
): Promise<Security | undefined> {
  if (!credentials) return undefined;
  const { Security } = await import('./security.js');
  return new Security(credentials, what);
}
