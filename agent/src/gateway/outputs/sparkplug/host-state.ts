import { z } from 'zod';

/** Whether the host that data is meant for is there; `unknown`: it has not said so on this connection. */
export type HostState = Readonly<{
  is: 'unknown' | 'online' | 'offline';
  /** Of the newest that it said, on whichever connection; milliseconds since 1970 by its clock. */
  timestamp?: number | undefined;
}>;
export const firstHostState: HostState = { is: 'unknown' };

const Statement = z.object({ online: z.boolean(), timestamp: z.int() });

/** On a new connection it must say so again; an older word of its is not believed there either. */
export const hostOnNewConnection = ({ timestamp }: HostState): HostState => ({ is: 'unknown', timestamp });

/** What it said last, or why it is passed over. */
export function hostSaid(host: HostState, payload: Buffer): HostState | { ignored: string } {
  const statement = read(payload);
  if (!statement) return { ignored: 'is not what a host of Sparkplug 3.0 says: {"online": true, "timestamp": 1764201600000}' };
  const { online, timestamp } = statement;
  if (host.timestamp !== undefined && timestamp < host.timestamp)
    return { ignored: `is older (${instant(timestamp)}) than what the host said before (${instant(host.timestamp)})` };
  return { is: online ? 'online' : 'offline', timestamp };
}

function read(payload: Buffer) {
  try {
    return Statement.safeParse(JSON.parse(payload.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

const instant = (ms: number) => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms));
