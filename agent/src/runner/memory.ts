import { readFileSync } from 'node:fs';
import type { Engine } from './engine/engine.js';

type Holder = Pick<Engine, 'memory'>;
/** What this process and an engine outside of it hold. */
export const heldBytes = (engine: Holder) => process.memoryUsage.rss() + (engine.memory?.().rssBytes ?? 0);
export const peakBytes = (engine: Holder) => peakRssBytes() + (engine.memory?.().peakRssBytes ?? 0);

/**
 * The most memory that this process ever held. On Linux getrusage's figure begins with what the parent held at fork,
 * so the kernel's own high-water mark is read there.
 */
export function peakRssBytes(): number {
  if (process.platform === 'linux') {
    const mark = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (mark) return Number(mark[1]) * 1024;
  }
  return process.resourceUsage().maxRSS * 1024;
}
