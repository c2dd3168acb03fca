import {
  Baseline,
  baselineProblem,
  GoldenSet,
  issueLines,
  type Manifest,
  type ManifestFile,
  mostBaselineBytes,
} from '@flotilla/protocol';

/** A stored file as JSON; undefined where its bytes are none. */
type ReadJson = (digest: ManifestFile['sha256']) => Promise<unknown>;

const maxGoldenBytes = 32 * 1024 ** 2;

/** What is wrong with the files that a release brings besides its models, one sentence each; empty for good ones. */
export async function companionProblems(manifest: Manifest, read: ReadJson): Promise<string[]> {
  return [...(await goldenProblems(manifest, read)), ...(await baselineProblems(manifest, read))];
}

async function goldenProblems({ golden, files, networks }: Manifest, read: ReadJson): Promise<string[]> {
  const path = golden && `${golden.folder}/cases.json`;
  const file = files.find((candidate) => candidate.path === path);
  if (!golden || !file) return [];
  if (file.size > maxGoldenBytes) return [`golden: ${path} has ${file.size} bytes; ${maxGoldenBytes} are allowed`];
  const set = GoldenSet.safeParse(await read(file.sha256));
  if (!set.success) return set.error.issues.map((issue) => `${path}: ${issue.path.map(String).join('.')}: ${issue.message}`);
  const paths = new Set(files.map((candidate) => candidate.path));
  const odd = set.data.cases.find(({ findings }) => (findings === undefined) !== (networks === undefined));
  if (odd)
    return [
      `${path}: "${odd.name}" has ${odd.findings ? '"findings", which are for' : '"output", which is not for'} a release of several networks`,
    ];
  return set.data.cases
    .filter(({ input }) => !paths.has(`${golden.folder}/${input}`))
    .map(
      ({ input, name }) =>
        `${path}: the input ${input} of "${name}" is not among the release's files (paths begin at the golden folder)`,
    );
}

async function baselineProblems(manifest: Manifest, read: ReadJson): Promise<string[]> {
  const path = manifest.baseline;
  const file = manifest.files.find((candidate) => candidate.path === path);
  if (!file) return [];
  if (file.size > mostBaselineBytes) return [`baseline: ${path} has ${file.size} bytes; ${mostBaselineBytes} are allowed`];
  const baseline = Baseline.safeParse(await read(file.sha256));
  if (!baseline.success) return issueLines(Baseline, baseline.error).map((line) => `${path}: ${line}`);
  const problem = baselineProblem(manifest, baseline.data);
  return problem === undefined ? [] : [`${path}: ${problem}`];
}
