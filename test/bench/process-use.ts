import { readdir, readFile } from 'node:fs/promises';

/** Microseconds that each thread of a process has spent on a processor, by thread id. Linux: reads /proc. */
export async function threadCpuUs(pid: number): Promise<Map<number, number>> {
  const threads = await readdir(`/proc/${pid}/task`);
  const spent = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')));
  return new Map(threads.map((thread, i) => [Number(thread), Number(spent[i]!.split(' ')[0]) / 1000]));
}

/** What the main thread and all the others spent between two readings. */
export function spentBetween(pid: number, before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>) {
  let [main, others] = [0, 0];
  for (const [thread, us] of after) {
    const spent = us - (before.get(thread) ?? 0);
    if (thread === pid) main += spent;
    else others += spent;
  }
  return { main, others };
}

export async function rssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

/** Processes that a process has begun and that live. */
export async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const children = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return children.join(' ').split(/\s+/).filter(Boolean).map(Number);
}

const ticksPerS = 100;

/** Seconds of a processor that the processes below one have spent so far, by the names of their programs. */
export async function cpuSBelow(pid: number): Promise<ReadonlyMap<string, number>> {
  const spent = new Map<string, number>();
  for (const child of await childrenOf(pid).catch(() => [])) {
    const { program, cpuS } = await cpuOf(child);
    spent.set(program, (spent.get(program) ?? 0) + cpuS);
    for (const [name, more] of await cpuSBelow(child)) spent.set(name, (spent.get(name) ?? 0) + more);
  }
  return spent;
}

/** One that has just ended has spent nothing. */
export async function cpuOf(pid: number): Promise<{ program: string; cpuS: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  return {
    program: stat.slice(stat.indexOf('(') + 1, nameEnd),
    cpuS: (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerS,
  };
}
