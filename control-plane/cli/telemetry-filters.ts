import type { Command } from 'commander';
import type { FlotillaClient } from './flotilla-client.js';

type Queries = FlotillaClient['queries'] & FlotillaClient['telemetryContents'];
/** What a question can say; the command line's text is checked by who answers it. */
export type Asked<Question extends keyof Queries> = NonNullable<Parameters<Queries[Question]>[0]>;

/** Which devices, slots and releases. */
export const filtered = (command: Command): Command =>
  ofDevices(
    command
      .option('--slot <slot>', 'of this slot')
      .option('--model <model>', 'of this model')
      .option('--release <release>', 'of this release, model@version'),
  );

/** Which of those that serve it. */
export const ofDevices = (command: Command): Command =>
  command
    .option('--variant <variant>', 'of this variant')
    .option('--hardware-class <class>', 'of this hardware class')
    .option('--group <group>', 'of the devices of this group')
    .option('--selector <selector>', 'of the devices that a selector names')
    .option('--device <device>', 'of this device');

export const spanned = (command: Command): Command =>
  command
    .option('--since <when>', 'from so long ago, or from a moment', '1h')
    .option('--until <when>', 'until so long ago, or until a moment', '0s');
