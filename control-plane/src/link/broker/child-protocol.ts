import type { BrokerLimits, ServerTls } from './embedded-broker.js';

/** What parent and broker child say to each other over the IPC channel; both are of one build. */
export type ToChild =
  | { type: 'listen'; host: string; port: number; tls: ServerTls; limits: BrokerLimits }
  | { type: 'tls'; tls: ServerTls }
  | { type: 'drop'; device: string }
  | { type: 'stop' };

export type FromChild =
  | { type: 'listening'; port: number }
  | { type: 'failed'; code: string; message: string }
  /** Refusals and drops since the last report, by reason. */
  | { type: 'counts'; counts: Record<string, number> };
