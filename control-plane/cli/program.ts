import { Command, CommanderError } from 'commander';
import { ApiError } from './client.js';
import { nearestFirst } from './near-names.js';
import { blocks } from './blocks.js';
import { configurations } from './configurations.js';
import { devices } from './devices.js';
import { doctor } from './doctor.js';
import { events } from './events.js';
import { groups } from './groups.js';
import { ReleaseFolderError } from './push-release.js';
import { releases } from './releases.js';
import { kill, kills } from './kills.js';
import { operators } from './operators.js';
import { PlanFileError } from './plan-file.js';
import { rollouts } from './rollouts.js';
import { backup, restore } from './safekeeping.js';
import { UsageError, version } from './settings.js';
import { status } from './status.js';
import { telemetry } from './telemetry.js';
import { tokens } from './tokens.js';
import { WrittenFileError } from './written-file.js';

const nouns = [
  devices,
  groups,
  releases,
  rollouts,
  kill,
  kills,
  blocks,
  configurations,
  tokens,
  operators,
  events,
  telemetry,
  status,
  doctor,
  backup,
  restore,
];

/** After sysexits.h: the command line itself is wrong. */
const usage = 64;

/** Every command of `flotilla NOUN VERB`, each with an example in its help. */
export function program(): Command {
  const root = new Command('flotilla').description('Manages a fleet of devices that run quantized ONNX models').version(version);
  root.option('--url <url>', 'the control plane (or FLOTILLA_URL)').option('--token <token>', 'admin token (or FLOTILLA_TOKEN)');
  root.option('--json', 'print JSON instead of a table');
  root.exitOverride().configureHelp({ showGlobalOptions: true }).configureOutput({ outputError: inOneLine });
  for (const noun of nouns) root.addCommand(noun());
  inherit(root);
  return root;
}

/** The exit code. Known failures are one sentence on standard error; a bug is thrown. */
export async function run(argv: readonly string[]): Promise<number> {
  process.exitCode = undefined;
  try {
    await program().parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage;
    if (![ApiError, PlanFileError, ReleaseFolderError, UsageError, WrittenFileError].some((known) => error instanceof known))
      throw error;
    console.error((error as Error).message);
    return error instanceof UsageError ? usage : 1;
  } finally {
    process.exitCode = undefined;
  }
}

/** Commands that were made apart have their own settings until they are given those of the root. */
function inherit(command: Command): void {
  command.hook('preSubcommand', refuseUnknown);
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child);
  }
}

/** A command that has a default one would give it what it does not know as one argument too many. */
function refuseUnknown(command: Command, next: Command): void {
  const [asked = ''] = command.args;
  const known = command.commands.flatMap((each) => [each.name(), ...each.aliases()]);
  if (asked === '' || asked.startsWith('-') || asked === 'help' || known.includes(asked) || next.registeredArguments.length > 0)
    return;
  const message = `error: unknown command '${asked}' (Did you mean ${nearestFirst(asked, known)[0]}?)`;
  command.error(message, { code: 'commander.unknownCommand' });
}

/** Commander's "error: unknown command 'device'", with its "Did you mean" on a second line. */
const inOneLine = (text: string, write: (text: string) => void) =>
  write(
    `${text
      .replace(/^error: /, '')
      .trimEnd()
      .replaceAll('\n', ' ')}\n`,
  );
