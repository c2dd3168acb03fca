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
