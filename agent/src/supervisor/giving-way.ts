import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { isErrno } from '../errors.js';

/** About a tenth of the weight of what runs beside it, and all that is left over: slow on a busy machine, but not starved. */
const stepsBack = 10;
const lowest = 19;
/** Linux takes a group's priority from an ordinary user ten times a second, counted for all processes together. */
const againMs = 120;
const attempts = 10;

/**
 * Lets a process in a session of its own, and all that it starts, give way to the others; the function that comes back ends that.
 * Linux shares processor time out among sessions first where it makes groups of them, and by threads where it does not: both are set.
 */
export function giveWay(pid: number): () => void {
  if (process.platform !== 'linux') return () => undefined;
  const own = getPriority();
  const grouped = setGroup(pid, stepsBack);
  const threads = mayReturnTo(own);
  if (threads) setThreads(pid, Math.min(own + stepsBack, lowest));
  return () => {
    if (grouped) setGroupSoon(pid, 0, attempts);
    if (threads) setThreads(pid, own);
  };
}

function setGroupSoon(pid: number, nice: number, left: number): void {
  if (!setGroup(pid, nice) && left > 0) setTimeout(setGroupSoon, againMs, pid, nice, left - 1).unref();
}

/** False where it was not taken: there are no such groups here, the process is gone, or too many changes came at once. */
function setGroup(pid: number, nice: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice), { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/** Each thread has its own. Twice: one that is not through yet may begin another while the list is read. */
function setThreads(pid: number, nice: number): void {
  for (let pass = 0; pass < 2; pass++)
    for (const thread of threadsOf(pid)) {
      try {
        setPriority(thread, nice);
      } catch {
        // It has ended meanwhile.
      }
    }
}

/** Those of its children too: an engine may be a process of its own. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean);
      return [Number(thread), ...children.flatMap((child) => threadsOf(Number(child)))];
    });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return [];
    throw error;
  }
}

/** A lower priority is anyone's to take, and the way back up a privilege: `LimitNICE=`, or CAP_SYS_NICE outside of any user namespace. */
function mayReturnTo(nice: number): boolean {
  const file = (name: string) => readFileSync(`/proc/self/${name}`, 'utf8');
  const limit = Number(/^Max nice priority\s+(\d+)/m.exec(file('limits'))?.[1] ?? 0);
  if (20 - limit <= nice) return true;
  const sysNice = 1n << 23n;
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(file('status'))?.[1] ?? '0'}`);
  return (capabilities & sysNice) !== 0n && /^\s*0\s+0\s+4294967295\s*$/.test(file('uid_map'));
}
