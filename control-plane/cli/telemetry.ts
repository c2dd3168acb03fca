import type { TelemetryGroup } from '@flotilla/protocol';
import { Command } from 'commander';
import type { FlotillaClient } from './flotilla-client.js';
import { example, print, table } from './output.js';
import { clientFor, wholeNumber } from './settings.js';

/** What devices measured, by release, board, site or device. */
export const telemetry = (): Command =>
  example(
    new Command('telemetry')
      .description('What devices measured: latency, errors and processor time, put together by one or two dimensions')
      .option('--by <dimensions>', 'release, variant, hardwareClass, slot, device, group or label:NAME; one or two', 'release')
      .option('--since <duration>', 'from so long ago', '1h')
      .option('--until <duration>', 'until so long ago', '0s')
      .option('--slot <slot>', 'of this slot')
      .option('--model <model>', 'of this model')
      .option('--release <release>', 'of this release, model@version')
      .option('--variant <variant>', 'of this variant')
      .option('--hardware-class <class>', 'of this hardware class')
      .option('--group <group>', 'of the devices of this group')
      .option('--selector <selector>', 'of the devices that a selector names')
      .option('--device <device>', 'of this device')
      .option('--order <measure>', 'most first: inferences, errors, errorRate, sheds, compute or restarts', 'inferences')
      .option('--limit <n>', 'how many', wholeNumber, 20)
      .action(async (options: Parameters<FlotillaClient['telemetry']['query']>[0], command: Command) => {
        const answer = await clientFor(command).telemetry.query(options);
        print(command, answer, ({ items }) => table(items.map(row), 'nothing was measured in that time'));
      }),
    'flotilla telemetry --by hardwareClass,release --since 1d --order compute',
  );

const row = ({ key, devices, ok, errors, errorRate, sheds, meanComputeMs, latency: { total }, restarts }: TelemetryGroup) => ({
  ...key,
  devices,
  inferences: ok + errors,
  errors: errors === 0 ? '0' : `${errors} (${percent(errorRate ?? 0)})`,
  sheds,
  restarts,
  'compute ms': meanComputeMs,
  'p50 ms': total.p50,
  'p95 ms': total.p95,
  'p99 ms': total.p99,
});

const percent = (share: number) => `${(share * 100).toPrecision(3)} %`;
