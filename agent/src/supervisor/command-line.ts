import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { decodeClaimToken, type ClaimToken } from '@flotilla/protocol/device';
import { Command, Option } from 'commander';
import { temporaryFolder } from './temporary-folder.js';
import { ConfigError, loadConfig, type AgentConfig } from '../config.js';
import { backoffMs } from '../core/backoff.js';
import { openDataFolder } from './data-lock.js';
import { probeEngines } from './engines.js';
import { detectHardware, versions, type Hardware } from './hardware.js';
import { withFrameSockets } from './frame-sockets.js';
import { HeadStart } from './head-start.js';
import { bindSocket } from './listening-socket.js';
import { deviceKey, loadIdentity, saveIdentity, type Identity } from './identity.js';
import { createLogging, type Logger } from './logger.js';
import type { Log } from './runner-process.js';
import { exitCodes, StartError } from './start-error.js';
import { messageOf } from '../errors.js';
import { printModbusMap, printStatus } from './status.js';
import type { BaselineOptions } from '../baseline/command.js';
import type { WrittenTryOptions } from '../try/command.js';

const programOf = (name: string) => fileURLToPath(new URL(`../runner/${name}.js`, import.meta.url));
const programs = { path: programOf('main'), stubPath: programOf('stub-main') };
const brokerPath = fileURLToPath(new URL('../broker/main.js', import.meta.url));
const gatewayPath = fileURLToPath(new URL('../gateway/main.js', import.meta.url));

interface Options {
  config: string;
  token?: string;
  tokenFile?: string;
  exitWithParent?: boolean;
}

/** `flotilla-agent run | enrol | engines | status | modbus-map | try | baseline`. */
export async function commandLine(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const program = new Command('flotilla-agent')
    .description('Runs the models that the control plane asks for on this device')
    .version(versions().agent)
    .addHelpText('after', '\nExample:\n  flotilla-agent run --config /etc/flotilla/agent.yaml')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.usage));
  const withToken = (command: Command) =>
    command
      .option('--config <file>', 'configuration', 'agent.yaml')
      .option(
        '--token <token>',
        'claim token, fl1.…; seen by other users of this machine: rather use the next, or FLOTILLA_CLAIM_TOKEN',
      )
      .option('--token-file <file>', 'file that holds the claim token; "-" is standard input');
  withToken(program.command('run', { isDefault: true }))
    .description('run until SIGTERM or SIGINT; enrols first where a claim token is given and needed')
    .option('--exit-with-parent', 'end when standard input ends or the parent process disconnects')
    .action((options: Options) => runCommand(options, env));
  withToken(program.command('enrol'))
    .description('make the device known to the control plane of a claim token')
    .addHelpText('after', '\nExample:\n  flotilla-agent enrol --config agent.yaml --token-file token')
    .action((options: Options) => enrolCommand(options, env));
  program
    .command('engines')
    .description('start each configured engine, ask what it can run on, and say what the device makes of it')
    .option('--config <file>', 'configuration', 'agent.yaml')
    .addHelpText('after', '\nExample:\n  flotilla-agent engines --config agent.yaml')
    .action((options: Options) => enginesCommand(options, env));
  program
    .command('status')
    .description('what this device is and does, without the network')
    .option('--config <file>', 'configuration', 'agent.yaml')
    .addHelpText('after', '\nExample:\n  flotilla-agent status --config agent.yaml')
    .action((options: Options) => printStatus(loadConfig(options.config, env)));
  program
    .command('modbus-map')
    .description('print the register map of the slots that have a modbus output, from the configuration in force')
    .option('--config <file>', 'configuration', 'agent.yaml')
    .addOption(new Option('--format <format>', 'of the table').choices(['csv', 'markdown']).default('csv'))
    .addHelpText('after', '\nExample:\n  flotilla-agent modbus-map --config agent.yaml > map.csv')
    .action((options: Options & { format: 'csv' | 'markdown' }) =>
      printModbusMap(loadConfig(options.config, env), options.format),
    );
  program
    .command('try <example>')
    .description('run an example on this machine, with its own input or another, without a control plane')
    .option('--source <what>', 'a folder, a file, a device or a stream in place of its own input')
    .option('--port <port>', 'of the page with what is found, on 127.0.0.1; 0: any that is free', '0')
    .option('--once', 'end when the input is through')
    .option('--json', 'print each result whole, as a line of JSON')
    .addHelpText('after', '\nExample:\n  flotilla-agent try label-reader')
    .action((name: string, options: WrittenTryOptions) => tryAction(name, options, env));
  program
    .command('baseline <release> <examples>')
    .description('run examples through a release folder and write its baseline.json, which devices count against')
    .option('--variant <name>', 'which to run; the first where it is not said')
    .option('--out <file>', 'where to write it; else into the release folder')
    .addHelpText('after', '\nExample:\n  flotilla-agent baseline ./releases/2.4.0 ./training-pictures')
    .action((release: string, examples: string, options: BaselineOptions) => baselineAction([release, examples], options, env));
  program.hook('preSubcommand', refuseUnknown);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exit(explain(error));
  }
}

/** What is no command would be one argument too many of the default one. */
function refuseUnknown(program: Command): void {
  const [asked = ''] = program.args;
  const known = program.commands.map((each) => each.name());
  if (asked === '' || asked.startsWith('-') || known.includes(asked)) return;
  program.error(`unknown command '${asked}': there are ${known.join(', ')}`);
}

function explain(error: unknown): number {
  if (error instanceof ConfigError || error instanceof StartError) {
    console.error(error.message);
    return error instanceof StartError ? exitCodes[error.exit] : exitCodes.config;
  }
  console.error(error);
  return exitCodes.software;
}

async function tryAction(name: string, options: WrittenTryOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { tryCommand } = await import('../try/command.js');
  await tryCommand(name, options, { ...programs, gatewayPath }, env);
  process.exit(0);
}

async function baselineAction(paths: [string, string], options: BaselineOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { baselineCommand } = await import('../baseline/command.js');
  const program = { ...programs, env: { ...env, FLOTILLA_LOG_LEVEL: 'warn' }, log: silent };
  await baselineCommand(paths, options, program, (line) => console.error(line));
}

async function enrolCommand(options: Options, env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(options.config, env);
  const lock = openDataFolder(config.data);
  const before = loadIdentity(config.data);
  const identity =
    before ?? (await enrolNow(config, await hardwareOf(config, env), requireToken(config, tokenOf(options, env)), undefined));
  console.log(before ? `This device is enrolled already, as ${before.device}.` : `Enrolled as ${identity.device}.`);
  lock.release();
}

async function enginesCommand(options: Options, env: NodeJS.ProcessEnv): Promise<void> {
  const { profile, providers, hardwareClass, notes } = await hardwareOf(loadConfig(options.config, env), env);
  for (const note of notes) console.log(note);
  console.log(`${profile.id} runs models on ${providers.join(', ')}; its hardware class is ${hardwareClass}`);
}

async function runCommand(options: Options, env: NodeJS.ProcessEnv): Promise<void> {
  const written = loadConfig(options.config, env);
  const config = { ...written, slots: withFrameSockets(written.data, written.slots) };
  const token = tokenOf(options, env);
  // Runners inherit the environment; the secret is none of their business.
  delete env['FLOTILLA_CLAIM_TOKEN'];
  // Nobody reads any more (the parent was killed): to go on, or to end in order, matters more than the lines.
  process.stdout.on('error', () => {});
  const logging = createLogging(config.logLevel, (line) => process.stdout.write(line));
  const lock = openDataFolder(config.data);
  let stop = async () => {};
  void watchForTheEnd(options.exitWithParent === true, logging.log).then(async () => {
    await stop();
    lock.release();
    process.exit(0);
  });
  const TMPDIR = temporaryFolder(config.data);
  const program = { ...programs, env: { ...env, TMPDIR, FLOTILLA_LOG_LEVEL: config.logLevel }, log: logging.log };
  // With other engines it is not known yet which of them the release needs, and each runner loads one only.
  const beginRunners = config.engines.length === 0;
  const headStart = await HeadStart.of({ dataDir: config.data, slots: config.slots, program, beginRunners });
  stop = async () => headStart.close();
  const http = config.gateway && (await bindSocket('the gateway', config.gateway.listen.http));
  const hardware = await hardwareOf(config, program.env, logging.log);
  const identity = loadIdentity(config.data) ?? (await enrolNow(config, hardware, requireToken(config, token), logging.log));
  const { run } = await import('./run.js');
  const onFatal = (error: Error) => {
    logging.log.error({ error }, 'a bug: the agent ends');
    process.exit(exitCodes.software);
  };
  const key = deviceKey(config.data);
  stop = await run({
    config,
    logging,
    versions: versions(),
    hardware,
    program,
    headStart,
    gateway: { path: gatewayPath, http },
    brokerPath,
    key,
    identity,
    onFatal,
  });
}

/** Resolves when the agent shall end. */
function watchForTheEnd(withParent: boolean, log: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (reason: string) => {
    log.info({ reason }, 'ending');
    resolve();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(signal));
  if (!withParent) return promise;
  process.once('disconnect', () => end('the parent process disconnected'));
  process.stdin.once('end', () => end('standard input ended')).once('error', () => end('standard input failed'));
  process.stdin.resume();
  return promise;
}

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Engines are asked first: what they have is part of what this device can do. */
async function hardwareOf(config: AgentConfig, env: NodeJS.ProcessEnv, log: Log = silent): Promise<Hardware> {
  const probed = await probeEngines(config.engines, env, log);
  for (const { note } of probed) log.info({}, note);
  return detectHardware(config.profile, config.slots, versions(), probed);
}

function tokenOf({ token, tokenFile }: Options, env: NodeJS.ProcessEnv): string | undefined {
  if (tokenFile === undefined) return token ?? env['FLOTILLA_CLAIM_TOKEN'];
  try {
    return readFileSync(tokenFile === '-' ? process.stdin.fd : tokenFile, 'utf8');
  } catch (cause) {
    throw new StartError('config', `--token-file ${tokenFile} cannot be read: ${messageOf(cause)}.`, { cause });
  }
}

function requireToken(config: AgentConfig, text: string | undefined): ClaimToken {
  if (!text)
    throw new StartError(
      'config',
      'This device is not enrolled: make a claim token with `flotilla tokens create`, then run `flotilla-agent enrol --token-file FILE`.',
    );
  const token = readToken(text);
  const server = config.server && new URL(config.server).origin;
  if (server && new URL(token.server).origin !== server)
    throw new StartError(
      'config',
      `The claim token is for ${token.server}, but the configuration names ${server} as "server": make them agree.`,
    );
  return token;
}

function readToken(text: string): ClaimToken {
  try {
    return decodeClaimToken(text);
  } catch (cause) {
    throw new StartError('config', `The claim token cannot be used: ${messageOf(cause)}.`, { cause });
  }
}

const enrolBackoff = { baseMs: 1000, capMs: 60_000 };

/** With a log it goes on trying while the server cannot be reached; without, it says so and ends. */
async function enrolNow(config: AgentConfig, hardware: Hardware, token: ClaimToken, log: Logger | undefined): Promise<Identity> {
  const { enrol, EnrolmentError } = await import('./enrolment.js');
  const about = { profile: hardware.profile.id, hardwareClass: hardware.hardwareClass, labels: config.labels };
  for (let attempt = 0; ; attempt += 1) {
    try {
      const identity = await enrol(
        token,
        deviceKey(config.data),
        config.name === undefined ? about : { ...about, name: config.name },
      );
      saveIdentity(config.data, identity);
      log?.info({ device: identity.device }, 'enrolled');
      return identity;
    } catch (error) {
      if (!(error instanceof EnrolmentError)) throw error;
      const again = error.kind === 'unreachable';
      if (!again || !log) throw new StartError(again ? 'unavailable' : 'refused', error.message, { cause: error });
      log.warn({ attempt }, error.message);
      await delay(backoffMs(attempt, enrolBackoff, Math.random()));
    }
  }
}
