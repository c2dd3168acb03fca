import { Command, CommanderError } from 'commander';
import { ApiError } from './client.js';
import { devices } from './devices.js';
import { doctor, status } from './doctor.js';
import { events } from './events.js';
import { groups } from './groups.js';
import { ReleaseFolderError } from './push-release.js';
import { releases } from './releases.js';
import { rollouts } from './rollouts.js';
import { backup, restore } from './safekeeping.js';
import { UsageError } from './settings.js';
import { tokens } from './tokens.js';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`flotilla needs Node 24 or newer, this is ${process.version}; in a checkout, run it with npx.`);
  process.exit(78);
}

/** Every command of `flotilla NOUN VERB`, each with an example in its help. */
export function program(): Command {
  const root = new Command('flotilla').description('Manages a fleet of devices that run quantized ONNX models').version('0.1.0');
  root.option('--url <url>', 'the control plane (or FLOTILLA_URL)').option('--token <token>', 'admin token (or FLOTILLA_TOKEN)');
  root.option('--json', 'print JSON instead of a table');
  for (const command of [devices, groups, releases, rollouts, tokens, events, status, doctor, backup, restore])
    root.addCommand(command());
  // --json may stand where people write it: after the verb.
  return root.exitOverride().configureHelp({ showGlobalOptions: true });
}

export async function run(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (!(error instanceof ApiError || error instanceof ReleaseFolderError || error instanceof UsageError)) throw error;
    console.error(error.message);
    return 1;
  }
}

if (
  process.argv[1]?.endsWith('flotilla') ||
  process.argv[1]?.endsWith('flotilla.js') ||
  process.argv[1] === import.meta.filename
) {
  process.exitCode = await run(process.argv.slice(2));
}
