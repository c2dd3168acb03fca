import { resolve } from 'node:path';
import type { SlotPipeline, SourceConfig, TriggerConfig } from '@flotilla/protocol';

/** Relative paths as they are meant: from the folder of the file that they are written in. */
export function pipelineFrom(folder: string, { source, trigger, pipeline, record }: SlotPipeline): SlotPipeline {
  return {
    ...(source ? { source: sourceFrom((path) => resolve(folder, path), source) } : {}),
    ...(trigger ? { trigger: triggerFrom((path) => resolve(folder, path), trigger) } : {}),
    ...(pipeline ? { pipeline } : {}),
    ...(record ? { record: { ...record, folder: resolve(folder, record.folder) } } : {}),
  };
}

type Resolve = (path: string) => string;
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
