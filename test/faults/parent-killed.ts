import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStory } from './local-story.js';
import type { Case, FaultSuite } from './fault-suite.js';
import { processesBelow } from './process-tree.js';

/** After SIGKILL of the parent nothing is left after three seconds, and the data folder still starts. */
export const parentKilled: FaultSuite = {
  about: 'kill -9 of npm start: no process, no listener, no broken data folder',
  run: async (log) => {
    const fleet = await LocalStory.start();
    try {
      await fleet.until('stage first: 1/1');
      const family = processesBelow(fleet.pid);
      log(`killing the parent of ${family.length} processes`);
      process.kill(fleet.pid, 'SIGKILL');
      await delay(3000);
      const left = family.filter(({ pid, command }) => processesBelow(1).some((p) => p.pid === pid && p.command === command));
      const listening = (await Promise.all(fleet.ports.map(accepts))).flatMap((open, i) => (open ? [fleet.ports[i]] : []));
      const cases: Case[] = [
        {
          name: 'no process is left',
          ok: left.length === 0,
          detail: left.map((p) => `${p.pid} ${p.command.slice(0, 80)}`).join('; ') || 'none',
        },
        { name: 'no listener is left', ok: listening.length === 0, detail: listening.join(', ') || 'none' },
      ];
      const again = await LocalStory.start(fleet);
      const code = await again.exit;
      cases.push({
        name: 'the same data goes on',
        ok: code === 0,
        detail: code === 0 ? 'the story ended right' : again.output.trim().split('\n').slice(-4).join(' | '),
      });
      return cases;
    } finally {
      await fleet.remove();
    }
  },
};

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
