import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

const agent = dirname(findPackageJSON('@flotilla/agent/config', import.meta.url)!);

/** A file of the agent's package, built programs included. */
export const agentFile = (path: string): string => join(agent, path);
