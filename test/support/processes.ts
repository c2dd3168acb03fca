import { readdirSync, readFileSync } from 'node:fs';

/** Ids of the processes called ffmpeg with this among their arguments. */
export function ffmpegsReading(argument: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const [program = '', ...rest] = commandLine(pid);
      return program.endsWith('ffmpeg') && rest.some((one) => one.includes(argument));
    })
    .map(Number);
}

/** Empty for one that went away meanwhile, or has ended and waits for its parent. */
function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
