import { EngineSpec } from '../../runner-protocol.js';
import { ChildEngine, type ChildEngineOptions } from './child-engine.js';

type Parts = Pick<ChildEngineOptions, 'log' | 'onProgress'>;

/** The engine that the supervisor names in the environment. It begins at once: its libraries take longest to load. */
export function configuredEngine(json: string, environment: NodeJS.ProcessEnv): (parts: Parts) => ChildEngine {
  const { name, command, env } = EngineSpec.parse(JSON.parse(json));
  return (parts) => new ChildEngine({ name, command, env: { ...environment, ...env }, ...parts });
}
