import { resolve } from 'node:path';
import type { SlotPipeline, SourceConfig, TriggerConfig } from '@flotilla/protocol';

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

const pipelineWith = (from: Resolve, { source, trigger, pipeline }: SlotPipeline): SlotPipeline => ({
  ...(source ? { source: sourceFrom(from, source) } : {}),
  ...(trigger ? { trigger: triggerFrom(from, trigger) } : {}),
  ...(pipeline ? { pipeline } : {}),
});

const isUrl = (text: string) => /^[a-z][a-z0-9+.-]+:\/\//i.test(text);

function sourceFrom(from: Resolve, source: SourceConfig): SourceConfig {
  if ('directory' in source) {
    const { directory, then } = source;
    return { ...source, directory: from(directory), then: typeof then === 'object' ? { move: from(then.move) } : then };
  }
  if ('video' in source)
    return { ...source, ...secretsFrom(from, source), video: isUrl(source.video) ? source.video : from(source.video) };
  if ('recording' in source) return { ...source, recording: from(source.recording) };
  if ('audio' in source) return source.kind === 'wav' ? { ...source, audio: from(source.audio) } : source;
  if ('lines' in source) {
    const { lines } = source;
    return 'file' in lines ? { ...source, lines: { ...lines, file: from(lines.file) } } : source;
  }
  return { ...source, ...secretsFrom(from, source) };
}

const triggerFrom = (from: Resolve, trigger: TriggerConfig): TriggerConfig => ({
  ...trigger,
  ...(trigger.mqtt ? { mqtt: { ...trigger.mqtt, ...secretsFrom(from, trigger.mqtt) } } : {}),
});

function secretsFrom(from: Resolve, written: object): { passwordFile?: string; caFile?: string } {
  const { passwordFile, caFile } = written as { passwordFile?: string; caFile?: string };
  return {
    ...(passwordFile === undefined ? {} : { passwordFile: from(passwordFile) }),
    ...(caFile === undefined ? {} : { caFile: from(caFile) }),
  };
}
