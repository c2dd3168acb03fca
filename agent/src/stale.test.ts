import { expect, test } from 'vitest';
import { staleAfterMs } from './stale.js';

const directory = (perSecond: number) => ({ source: { directory: '/pictures', perSecond, then: 'keep' as const } });

test.each([
  [{}, 10_000],
  [directory(50), 10_000],
  [directory(0.5), 10_000],
  [directory(0.1), 50_000],
  [{ source: { camera: '/dev/video0', framesPerSecond: 0.05, stallS: 10 } }, 100_000],
  [{ source: { opcua: 'opc.tcp://plc:4840', nodes: {}, everyMs: 60_000, security: 'none' as const } }, 300_000],
  [{ ...directory(1), trigger: { everyS: 30, api: true, timeoutMs: 5000 } }, 150_000],
])('a result of %j is stale after %i ms', (config, ms) => expect(staleAfterMs(config)).toBe(ms));
