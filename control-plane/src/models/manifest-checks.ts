import {
  type Manifest,
  type Network,
  feedsProblem,
  graphProblem,
  labelFiles,
  madeInputs,
  postprocessProblem,
  preprocessProblem,
  tileProblem,
  variantFiles,
  variantName,
} from '@flotilla/protocol';
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
    ...postprocessProblems(manifest, manifest),
    ...networksProblems(manifest),
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
    ...repeated(variants.map(variantName)).map((name) => `variants: ${name} is named twice`),
    ...[...new Set(variants.flatMap(variantFiles))].flatMap((file) => [
      ...(listed(manifest, file)
        ? []
        : [`variants: ${file} is not among the release's files; add the file or remove the variant`]),
      ...(file.endsWith('.onnx') ? [] : [`variants: ${file} must be an .onnx file`]),
    ]),
    ...variants.flatMap((variant) =>
      unknownBoards(variant.profiles ?? [], boards).map(
        (board) => `variants: ${variantName(variant)} is for "${board}", which is no known profile (${[...boards].join(', ')})`,
      ),
    ),
  ];
}

/** Terms joined by "+" are profiles, architectures or CPU features; only names of profiles have a dash. */
const unknownBoards = (profiles: readonly string[], boards: ReadonlySet<string>) =>
  profiles.flatMap((entry) => entry.split('+')).filter((term) => (term.includes('-') || term === '') && !boards.has(term));

function tensorProblems({ inputs, outputs }: Pick<Network, 'inputs' | 'outputs'>): string[] {
  return Object.entries({ inputs, outputs }).flatMap(([side, tensors]) => [
    ...repeated(tensors.map((tensor) => tensor.name)).map((name) => `${side}: "${name}" is named twice`),
    ...tensors
      .filter((tensor) => tensor.shape.includes(0))
      .map((tensor) => `${side}: "${tensor.name}" has a dimension 0; a free dimension is written -1`),
  ]);
}

const preprocessProblems = (manifest: Manifest): string[] =>
  [
    preprocessProblem(manifest.preprocess, madeInputs(manifest)) ?? [],
    feedsProblem(manifest) ?? [],
    tileProblem(manifest) ?? [],
  ].flat();

function postprocessProblems({ postprocess, outputs }: Pick<Network, 'postprocess' | 'outputs'>, manifest: Manifest): string[] {
  const classes = outputs[0]?.shape.at(-1) ?? -1;
  return [
    ...[postprocessProblem(postprocess, outputs) ?? []].flat(),
    ...labelFiles(postprocess)
      .filter((labels) => !listed(manifest, labels))
      .map((labels) => `postprocess: labels ${labels} is not among the release's files`),
    ...postprocess.flatMap((step) =>
      'top-k' in step && classes !== -1 && step['top-k'].k > classes
        ? [`postprocess: top ${step['top-k'].k} of ${classes} classes`]
        : [],
    ),
  ];
}

/** What the graph says of all its networks together, then what is wrong with the files of each. */
function networksProblems(manifest: Manifest): string[] {
  const wrong = graphProblem(manifest);
  if (wrong !== undefined) return [wrong];
  return Object.entries(manifest.networks ?? {}).flatMap(([name, network]) =>
    [...tensorProblems(network), ...postprocessProblems(network, manifest)].map((problem) => `networks: ${name}: ${problem}`),
  );
}

function companionProblems(manifest: Manifest): string[] {
  const { golden, baseline } = manifest;
  const cases = golden && `${golden.folder}/cases.json`;
  return [
    ...(cases === undefined || listed(manifest, cases) ? [] : [`golden: ${cases} is not among the release's files`]),
    ...(baseline === undefined || listed(manifest, baseline) ? [] : [`baseline: ${baseline} is not among the release's files`]),
  ];
}

function requirementProblems({ requires: { agent, from } }: Manifest): string[] {
  return Object.entries({ agent, from })
    .filter(([, range]) => range !== undefined && semver.validRange(range) === null)
    .map(([key, range]) => `requires.${key}: "${range}" is not a version range such as >=0.1.0`);
}
