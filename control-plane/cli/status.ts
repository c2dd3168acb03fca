import type { StatusView } from '@flotilla/protocol';
import { Command } from 'commander';
import { example, facts, print } from './output.js';
import { clientFor } from './settings.js';

export const status = (): Command =>
  example(
    new Command('status').description('The control plane at a glance').action(async (_options: unknown, command: Command) => {
      print(command, await clientFor(command).status.show(), describe);
    }),
    'flotilla status',
  );

const describe = (s: StatusView) =>
  facts({
    version: s.version,
    'started at': s.startedAt,
    database: s.database,
    broker: `${s.broker.kind}, ${s.broker.connected ? 'connected' : 'not connected'}`,
    leader: s.leader,
    devices: `${s.devices.online} of ${s.devices.total} online`,
    'in maintenance': s.devices.maintenance || undefined,
    'to be approved': s.devices.pending || undefined,
    releases: s.releases,
    rollouts: `${s.rollouts.running} running, ${s.rollouts.paused} paused`,
    blocked:
      s.blocks > 0
        ? `${s.blocks} ${s.blocks === 1 ? 'release or model' : 'releases or models'}: flotilla blocks list`
        : undefined,
    ...s.counters,
  });
