import type { OPCUAServer, ServerSession } from 'node-opcua-server';

/**
 * A session outlives its connection by what its client asked for, up to 50 minutes: a few clients that were killed would keep all others
 * out. Where there is no room left, those whose connection is gone go, the one that was not heard of for longest first.
 */
export function letOrphansGo(server: OPCUAServer): void {
  const sessions = new Set<ServerSession>();
  server.on('create_session', (session) => void sessions.add(session));
  server.on('session_closed', (session) => void sessions.delete(session));
  const engine = server.engine;
  const neverActive = engine.getOldestInactiveSession.bind(engine);
  engine.getOldestInactiveSession = () => neverActive() ?? orphanOf(sessions);
}

function orphanOf(sessions: ReadonlySet<ServerSession>): ServerSession | null {
  const gone = [...sessions].filter(({ channel }) => !channel?.isOpened);
  return gone.toSorted((one, other) => other.clientLastContactTime - one.clientLastContactTime)[0] ?? null;
}
