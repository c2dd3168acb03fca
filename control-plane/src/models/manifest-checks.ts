import type { Manifest } from '@flotilla/protocol';
import semver from 'semver';

const GiB = 1024 ** 3;
/** One file, and all files of one release together, bytes. */
export const limits = { file: 2 * GiB, release: 8 * GiB } as const;

/** What a manifest says wrong about itself, one sentence each, beyond what its schema sees; empty for a good one. `boards`: ids of all profiles. */
export function manifestProblems(manifest: Manifest, boards: ReadonlySet<string>): string[] {
  return [
    ...filesProblems(manifest),
    ...variantProblems(manifest, boards),
    ...tensorProblems(manifest),
    ...preprocessProblems(manifest),
    ...postprocessProblems(manifest),
    ...companionProblems(manifest),
    ...requirementProblems(manifest),
  ];
}

const repeated = (values: readonly string[]) => [...new Set(values.filter((value, i) => values.indexOf(value) !== i))];
const listed = (manifest: Manifest, path: string) => manifest.files.some((file) => file.path === path);

function filesProblems({ files }: Manifest): string[] {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return [
    ...repeated(files.map((file) => file.path)).map((path) => `files: ${path} is listed twice`),
    ...files.filter((file) => file.size === 0).map((file) => `files: ${file.path} is empty`),
    ...files
      .filter((file) => file.size > limits.file)
      .map((file) => `files: ${file.path} has ${gib(file.size)}; one file may have ${gib(limits.file)}`),
    ...(total > limits.release ? [`files: all together have ${gib(total)}; a release may have ${gib(limits.release)}`] : []),
  ];
}

const gib = (bytes: number) => `${(bytes / GiB).toFixed(2)} GiB`;

function variantProblems(manifest: Manifest, boards: ReadonlySet<string>): string[] {
  const { variants } = manifest;
  return [
    ...repeated(variants.map((variant) => variant.file)).map((file) => `variants: ${file} is named twice`),
    ...variants.flatMap(({ file, profiles = [] }) => [
      ...(listed(manifest, file)
        ? []
        : [`variants: ${file} is not among the release's files; add the file or remove the variant`]),
      ...(file.endsWith('.onnx') ? [] : [`variants: ${file} must be an .onnx file`]),
      ...unknownBoards(profiles, boards).map(
        (board) => `variants: ${file} is for "${board}", which is no known profile (${[...boards].join(', ')})`,
      ),
    ]),
  ];
}

/** Terms joined by "+" are profiles, architectures or CPU features; only names of profiles have a dash. */
const unknownBoards = (profiles: readonly string[], boards: ReadonlySet<string>) =>
  profiles.flatMap((entry) => entry.split('+')).filter((term) => (term.includes('-') || term === '') && !boards.has(term));

function tensorProblems({ inputs, outputs }: Manifest): string[] {
  return Object.entries({ inputs, outputs }).flatMap(([side, tensors]) => [
    ...repeated(tensors.map((tensor) => tensor.name)).map((name) => `${side}: "${name}" is named twice`),
    ...tensors
      .filter((tensor) => tensor.shape.includes(0))
      .map((tensor) => `${side}: "${tensor.name}" has a dimension 0; a free dimension is written -1`),
  ]);
}

/** Pictures become one tensor: its shape has to be what resize and normalise make. */
function preprocessProblems({ preprocess, inputs }: Manifest): string[] {
  if (preprocess.length === 0) return [];
  const order = preprocess.map((step) => Object.keys(step)[0]).join(', ');
  if (order !== 'decode, resize, normalise') return [`preprocess: the steps must be decode, resize, normalise, found ${order}`];
  const [input] = inputs;
  if (inputs.length !== 1 || !input) return [`preprocess: makes one tensor, but there are ${inputs.length} inputs`];
  const size = preprocess.flatMap((step) => ('resize' in step ? [step.resize] : []))[0]!;
  const { layout } = preprocess.flatMap((step) => ('normalise' in step ? [step.normalise] : []))[0]!;
  const made = layout === 'NHWC' ? [1, size.height, size.width, 3] : [1, 3, size.height, size.width];
  return [
    ...(input.type === 'FP32' ? [] : [`preprocess: makes FP32, but input "${input.name}" takes ${input.type}`]),
    ...(fits(made, input.shape)
      ? []
      : [`preprocess: makes [${made.join(', ')}] (${layout}), but input "${input.name}" takes [${input.shape.join(', ')}]`]),
  ];
}

const fits = (made: readonly number[], shape: readonly number[]) =>
  made.length === shape.length && made.every((size, i) => shape[i] === -1 || shape[i] === size);

function postprocessProblems(manifest: Manifest): string[] {
  const classes = manifest.outputs[0]?.shape.at(-1) ?? -1;
  return manifest.postprocess.flatMap((step) => {
    if (!('top-k' in step)) return [];
    const { k, labels } = step['top-k'];
    return [
      ...(listed(manifest, labels) ? [] : [`postprocess: labels ${labels} is not among the release's files`]),
      ...(classes === -1 || k <= classes ? [] : [`postprocess: top ${k} of ${classes} classes`]),
    ];
  });
}

function companionProblems(manifest: Manifest): string[] {
  const { golden, baseline } = manifest;
  const cases = golden && `${golden.folder}/cases.json`;
  return [
    ...(cases === undefined || listed(manifest, cases) ? [] : [`golden: ${cases} is not among the release's files`]),
    ...(baseline === undefined || listed(manifest, baseline) ? [] : [`baseline: ${baseline} is not among the release's files`]),
  ];
}

function requirementProblems({ requires: { agent } }: Manifest): string[] {
  if (agent === undefined || semver.validRange(agent) !== null) return [];
  return [`requires.agent: "${agent}" is not a version range such as >=0.1.0`];
}
