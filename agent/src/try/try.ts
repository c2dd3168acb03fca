import { setTimeout as delay } from 'node:timers/promises';
import { releaseName, type SourceConfig, SlotName } from '@flotilla/protocol/device';
import { messageOf } from '../errors.js';
import { StartError } from '../supervisor/start-error.js';
import { type FoundExample, findExample } from './example.js';
import { type Shown, type View } from './follow.js';
import { lineOf } from './in-words.js';
import { PageServer } from './page-server.js';
import { buildRelease } from './release.js';
import { onceThrough, sourceNamed } from './source-option.js';
import { type Programs, Trial } from './trial.js';
import { trialFolder } from './trial-folder.js';

type TryOptions = { source?: string; port: number; once?: boolean; json?: boolean };
type TryParts = {
  options: TryOptions;
  programs: Programs;
  /** Aborted when the user has seen enough. */
  signal: AbortSignal;
  print: (line: string) => void;
  /** What is no result: troubles, and where the page is. */
  note: (line: string) => void;
};
type Input = { source: SourceConfig; frames?: number };

const lookMs = 100;
/** Looks after which something is worth a word: a frame may come before the runner is there. */
const lasting = 20;

/** `flotilla-agent try NAME`: one example on this machine, with the processes of a device and no control plane. Throws StartError. */
export async function tryExample(name: string, parts: TryParts): Promise<void> {
  const found = await findExample(name);
  const source =
    parts.options.source === undefined ? found.example.source : sourceNamed(parts.options.source, found.example.source);
  const input = parts.options.once ? await onceThrough(source) : { source };
  const folder = await trialFolder();
  try {
    await run(found, input, folder.path, parts);
  } finally {
    await folder.remove();
  }
}

async function run(found: FoundExample, input: Input, dataDir: string, parts: TryParts): Promise<void> {
  const { options, programs, note, signal } = parts;
  const release = await buildRelease(found, `${dataDir}/release`);
  const slot = SlotName.parse(found.name);
  const trial = await Trial.begin({
    slot,
    release,
    source: input.source,
    dataDir,
    programs: keeping(programs, dataDir),
    onTrouble: note,
  });
  const page = new PageServer({
    about: aboutOf(found, input.source, releaseName(release.manifest)),
    gateway: trial.gateway,
    log: logTo(note),
  });
  const following = new AbortController();
  let shown = 0;
  const onResult = (result: Shown) => {
    shown = result.seq;
    page.publish(result);
    const line = options.json ? JSON.stringify(result) : lineOf(result);
    if (line !== undefined) parts.print(line);
  };
  try {
    note(
      `${found.name}: ${found.example.summary}. The page: ${await page.listen(options.port)}${options.once ? '' : ' (Ctrl-C ends)'}`,
    );
    await trial.gateway.follow(onResult, AbortSignal.any([signal, following.signal]));
    await trial.serve(signal);
    await watch(trial, { input, parts, isShown: (sequence) => shown >= sequence });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    following.abort();
    page.close();
    await trial.stop();
  }
}

/** Their temporary files go with the folder: ONNX Runtime leaves some. */
const keeping = ({ runner, gatewayPath }: Programs, TMPDIR: string): Programs => ({
  gatewayPath,
  runner: { ...runner, env: { ...runner.env, TMPDIR } },
});

type Watched = { input: Input; parts: TryParts; isShown: (sequence: number) => boolean };

/** Says what goes wrong, until the user has seen enough, or the input is through. */
async function watch({ gateway }: Trial, { input, parts, isShown }: Watched): Promise<void> {
  const { options, note, signal } = parts;
  const said = new Set<string>();
  let trouble = '';
  let since = 0;
  for (;;) {
    await delay(lookMs, undefined, { signal });
    const view = await gateway
      .view()
      .catch((error: unknown) => (note(`the gateway does not answer: ${messageOf(error)}`), undefined));
    if (!view) continue;
    if (options.once && view.source?.state === 'failed')
      throw new StartError('unavailable', `The input cannot be read: ${view.source.reason}.`);
    if (options.once && isThrough(view, input) && isShown(view.latest?.sequence ?? 0)) return;
    since = troubleOf(view) === trouble ? since + 1 : 0;
    trouble = troubleOf(view);
    if (since < lasting || trouble === '' || said.has(trouble)) continue;
    said.add(trouble);
    note(trouble);
  }
}

function isThrough({ source, frames }: View, input: Input): boolean {
  const done = ['inferred', 'refused', 'failed', 'lost'].reduce((sum, kind) => sum + (frames[kind] ?? 0), 0);
  return input.frames === undefined ? source?.state === 'waiting' : done >= input.frames;
}

const troubleOf = ({ source, trouble }: View): string => trouble ?? source?.reason ?? '';

const aboutOf = ({ name, example }: FoundExample, source: SourceConfig, release: string) => ({
  name,
  summary: example.summary,
  release,
  input: inputOf(source),
  kind: 'audio' in source ? ('sound' as const) : ('pictures' as const),
});

function inputOf(source: SourceConfig): string {
  if ('directory' in source) return source.directory;
  if ('video' in source) return source.video;
  if ('camera' in source) return source.camera;
  return 'audio' in source ? source.audio : (Object.keys(source)[0] ?? '');
}

const logTo = (note: (line: string) => void) => {
  const say = (fields: object, message: string) => note(`${message} ${JSON.stringify(fields)}`);
  return { debug: () => {}, info: () => {}, warn: say, error: say };
};
