import { z } from 'zod';
import { Version } from './ids.js';
import { ReleasePath } from './tensors.js';

export const ExecutionProvider = z.enum(['cpu', 'cuda', 'tensorrt']);
export type ExecutionProvider = z.infer<typeof ExecutionProvider>;
export const Precision = z.enum(['fp32', 'fp16', 'int8', 'int4']);
export type Precision = z.infer<typeof Precision>;

/** `file`: of a release with one network. `name` and `files`: of one with several, a file for each network. */
export const variantFields = {
  file: ReleasePath.optional(),
  name: ReleasePath.optional(),
  files: z.record(z.string(), ReleasePath).optional(),
  precision: Precision,
  providers: z.array(ExecutionProvider).min(1),
  /** Profile ids or architectures that this variant is for; absent means all. */
  profiles: z.array(z.string().max(64)).min(1).optional(),
  minOrt: Version.optional(),
  memoryMb: z.number().min(1).max(1_000_000).optional(),
};

type Named = { file?: string | undefined; name?: string | undefined; files?: Readonly<Record<string, string>> | undefined };

/** Why a variant doesn't say what to load; undefined where it does. */
export function variantObstacle({ file, name, files }: Named): string | undefined {
  if (file !== undefined && name === undefined && files === undefined) return undefined;
  if (file === undefined && name !== undefined && files !== undefined) return undefined;
  return 'a variant has either "file", or for a release of several networks "name" and "files"';
}

/** What a variant is known by: its file, or of several networks its name. */
export const variantName = ({ file, name }: Named): string => file ?? name ?? '';

/** The ONNX files that it takes. */
export const variantFiles = ({ file, files }: Named): string[] =>
  file === undefined ? [...new Set(Object.values(files ?? {}))] : [file];
