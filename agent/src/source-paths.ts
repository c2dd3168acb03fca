import { resolve } from 'node:path';
import type { OutputsConfig, SlotPipeline, SourceConfig, TriggerConfig } from '@flotilla/protocol/device';

type Resolve = (path: string) => string;

/** Relative paths as they are meant: from the folder of the file that they are written in. */
export const pipelineFrom = (folder: string, pipeline: SlotPipeline): SlotPipeline =>
  pipelineWith((path) => resolve(folder, path), pipeline);

/** Every path of files and folders that stands in it. */
export function pathsIn(pipeline: SlotPipeline): string[] {
  const paths: string[] = [];
  pipelineWith((path) => (paths.push(path), path), pipeline);
  return paths;
}

const pipelineWith = (from: Resolve, { source, trigger, pipeline, record, outputs }: SlotPipeline): SlotPipeline => ({
  ...(source ? { source: sourceFrom(from, source) } : {}),
  ...(trigger ? { trigger: triggerFrom(from, trigger) } : {}),
  ...(pipeline ? { pipeline } : {}),
  ...(record ? { record: { ...record, folder: from(record.folder) } } : {}),
  ...(outputs ? { outputs: outputsFrom(from, outputs) } : {}),
});

const isUrl = (text: string) => /^[a-z][a-z0-9+.-]+:\/\//i.test(text);

const sourceFrom = (from: Resolve, source: SourceConfig): SourceConfig =>
  placeFrom(from, { ...source, ...filesFrom(from, source) });

/** What is read itself; cameras, serial lines and sound cards are devices, not files. */
function placeFrom(from: Resolve, source: SourceConfig): SourceConfig {
  if ('directory' in source) {
    const { directory, then } = source;
    return { ...source, directory: from(directory), then: typeof then === 'object' ? { move: from(then.move) } : then };
  }
  if ('video' in source) return { ...source, video: isUrl(source.video) ? source.video : from(source.video) };
  if ('recording' in source) return { ...source, recording: from(source.recording) };
  if ('audio' in source) return source.kind === 'wav' ? { ...source, audio: from(source.audio) } : source;
  if ('lines' in source && 'file' in source.lines)
    return { ...source, lines: { ...source.lines, file: from(source.lines.file) } };
  return source;
}

const outputsFrom = (from: Resolve, outputs: OutputsConfig): OutputsConfig =>
  Object.fromEntries(
    Object.entries(outputs).flatMap(([kind, output]) => (output ? [[kind, { ...output, ...filesFrom(from, output) }]] : [])),
  );

const triggerFrom = (from: Resolve, trigger: TriggerConfig): TriggerConfig => ({
  ...trigger,
  ...(trigger.mqtt ? { mqtt: { ...trigger.mqtt, ...filesFrom(from, trigger.mqtt) } } : {}),
});

/** Passwords, keys and certificates: each stands in a file of its own, under a key that ends with "File"; several under "Files". */
const filesFrom = (from: Resolve, written: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(written).flatMap(([key, value]: [string, unknown]): [string, unknown][] => {
      if (key.endsWith('File') && typeof value === 'string') return [[key, from(value)]];
      if (key.endsWith('Files') && Array.isArray(value)) return [[key, value.map((path) => from(String(path)))]];
      if (!Array.isArray(value)) return [];
      return [[key, value.map((item: unknown) => withFilesFrom(from, item))]];
    }),
  );

const withFilesFrom = (from: Resolve, item: unknown): unknown =>
  typeof item === 'object' && item !== null ? { ...item, ...filesFrom(from, item) } : item;
