/** What the operating system says of this machine; every file below it is optional. */
export interface Facts {
  /** As Node names it: arm64, x64, arm … */
  arch: string;
  /** As Node names it: linux, darwin … */
  platform: string;
  /** Logical CPUs that this process may use. */
  cpus: number;
  /** Bytes that this machine (or its container) has. */
  totalMemoryBytes: number;
  /** CPU features that all cores share, as /proc/cpuinfo names them. */
  features: readonly string[];
  cpuModel?: string;
  /** The device tree's model, or the Model line that Raspberry Pi kernels add to /proc/cpuinfo. */
  boardModel?: string;
  /** The device tree's `compatible`, most specific first. */
  compatible: readonly string[];
  /** Release of Jetson Linux, e.g. 36.4.3. */
  l4t?: string;
  /** Set once an engine outside onnxruntime-node was started and asked: what it can run on. */
  gpuEngine?: { readonly providers: readonly string[]; /** Of its runtime. */ readonly version?: string };
  /** What could not be read, in words for the operator. */
  notes: readonly string[];
}

/** What the running process knows without reading a file. */
export type Runtime = Pick<Facts, 'arch' | 'platform' | 'cpus' | 'totalMemoryBytes'>;

/** The files that {@link parseFacts} understands. */
export const factFiles = [
  '/proc/cpuinfo',
  '/proc/meminfo',
  '/proc/device-tree/model',
  '/proc/device-tree/compatible',
  '/etc/nv_tegra_release',
] as const;
export type FactFile = (typeof factFiles)[number];

/** Pure: the facts in these files' contents. A missing file is fine; a garbled one becomes a note. */
export function parseFacts(files: Readonly<Partial<Record<FactFile, string>>>, runtime: Runtime): Facts {
  const notes: string[] = [];
  const read = <T>(file: FactFile, parse: (text: string) => T | undefined): T | undefined => {
    const text = files[file];
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) notes.push(`${file} is not in the form known; what it holds is ignored`);
    return value;
  };
  const cpu = read('/proc/cpuinfo', parseCpuinfo);
  const memory = read('/proc/meminfo', parseMemTotal);
  const model = read('/proc/device-tree/model', (text) => parseStrings(text)?.[0]) ?? cpu?.boardModel;
  const compatible = read('/proc/device-tree/compatible', parseStrings);
  const l4t = read('/etc/nv_tegra_release', parseTegraRelease);
  return {
    ...runtime,
    // A container sees the whole machine in /proc/meminfo, but may use less.
    totalMemoryBytes: Math.min(runtime.totalMemoryBytes, memory ?? Infinity),
    features: cpu?.features ?? [],
    compatible: compatible ?? [],
    ...(cpu?.cpuModel && { cpuModel: cpu.cpuModel }),
    ...(model && { boardModel: model }),
    ...(l4t && { l4t }),
    notes,
  };
}

interface Cpuinfo {
  features: string[];
  cpuModel?: string | undefined;
  boardModel?: string | undefined;
}

function parseCpuinfo(text: string): Cpuinfo | undefined {
  if (isGarbled(text)) return undefined;
  const lines = text.split('\n').map((line) => line.match(/^(\S[^:]*?)\s*:\s*(.*?)\s*$/));
  const values = (key: string) => lines.flatMap((match) => (match?.[1] === key ? [match[2] ?? ''] : []));
  if (values('processor').length === 0) return undefined;
  const perCore = [...values('Features'), ...values('flags')].map((list) => list.split(/\s+/).filter(Boolean));
  return { features: shared(perCore), cpuModel: values('model name')[0], boardModel: values('Model')[0] };
}

/** A thread may land on any core, so only what all of them have counts. */
function shared(lists: readonly string[][]): string[] {
  const [first = [], ...others] = lists.map((list) => new Set(list));
  return [...first].filter((feature) => others.every((list) => list.has(feature)));
}

function parseMemTotal(text: string): number | undefined {
  const kib = text.match(/^MemTotal:\s+(\d+) kB$/m)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Device-tree properties are strings that end in NUL. */
function parseStrings(text: string): string[] | undefined {
  const strings = text
    .split('\0')
    .map((part) => part.trim())
    .filter(Boolean);
  return strings.length === 0 || strings.some(isGarbled) ? undefined : strings;
}

function parseTegraRelease(text: string): string | undefined {
  const match = text.match(/^# R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)/);
  return match ? `${match[1]}.${match[2]}` : undefined;
}

/** Control characters, or bytes that were not UTF-8. */
function isGarbled(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /[\u0000-\u0008\u000e-\u001f\u007f\ufffd]/.test(text);
}
