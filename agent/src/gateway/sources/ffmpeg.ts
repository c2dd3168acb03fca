import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { isErrno } from '../../errors.js';

/**
 * The shell becomes ffmpeg (same pid) and leaves a watcher behind that reads from our pipe: at its end this program is gone, however it went,
 * and so is ffmpeg then, even one that waits for a camera and would not notice that nobody reads it.
 */
const guard = `
( ( read -r line <&3; kill -9 $$ ) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"`;

/** How long one may take to say goodbye to its camera. */
const graceMs = 1000;
const longestLine = 500;

/** None outlives this program's orderly end either. */
const living = new Set<FfmpegChild>();
process.once('exit', () => living.forEach((child) => child.kill()));

export type FfmpegEnd = {
  /** It ended by itself, and well. */
  well: boolean;
  /** It is not installed. */
  missing: boolean;
  /** Its last complaint, or how it ended. */
  reason: string;
};

export type FfmpegOptions = {
  /** Each line that it says, with its level in front: `[error] …`. */
  onLine?: ((line: string) => void) | undefined;
  program?: string | undefined;
};

/** One run of ffmpeg that writes to us. */
export class FfmpegChild {
  readonly output: Readable;
  /** Resolves once, when all that it wrote was read. */
  readonly ended: Promise<FfmpegEnd>;
  readonly #child: ChildProcess;
  #complaint = '';

  constructor(args: readonly string[], { onLine, program = 'ffmpeg' }: FfmpegOptions = {}) {
    const common = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'repeat+level+verbose'];
    this.#child = spawn('/bin/sh', ['-c', guard, 'sh', program, ...common, ...args], {
      // Its own process group: Ctrl-C in a terminal is the gateway's business, and the watcher goes with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    living.add(this);
    this.output = this.#child.stdout!;
    // Broken when the watcher goes first.
    (this.#child.stdio[3] as Writable).on('error', () => {});
    createInterface({ input: this.#child.stderr! }).on('line', (line) => this.#hear(line, onLine));
    this.ended = this.#end();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Politely, so that a camera is let go of properly, then not. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    // Nobody reads any more, and a full pipe would keep it.
    this.output.destroy();
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    try {
      if (this.pid !== undefined) process.kill(-this.pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }

  #hear(line: string, onLine: ((line: string) => void) | undefined): void {
    const said = withoutPassword(line).slice(0, longestLine);
    if (/\[(error|fatal|panic)\]/.test(said) || !/\[\w+\] /.test(said))
      this.#complaint = said.replace(/^.*?\[(error|fatal|panic)\] /, '');
    onLine?.(said);
  }

  #end(): Promise<FfmpegEnd> {
    return new Promise((resolve) => {
      const gone = (code: number | null, signal: string | null, complaint = this.#complaint) => {
        living.delete(this);
        resolve(endOf(code, signal, complaint));
      };
      // Its watcher sees no end of file while we live.
      this.#child.once('exit', () => this.kill());
      this.#child.once('close', (code, signal) => gone(code, signal));
      this.#child.once('error', (error) => this.pid === undefined && gone(null, null, error.message));
    });
  }
}

/** 126 and 127 are the shell's: it found nothing to become. */
function endOf(code: number | null, signal: string | null, complaint: string): FfmpegEnd {
  if (code === 126 || code === 127)
    return {
      well: false,
      missing: true,
      reason: 'ffmpeg is not on this device: install it (Debian, Ubuntu: apt-get install ffmpeg)',
    };
  const end = signal === null ? `ffmpeg ended with ${code}` : `ffmpeg was ended by ${signal}`;
  return { well: code === 0, missing: false, reason: complaint ? `${complaint} (${end})` : end };
}

/** A URL may hold one, and reasons are shown to everybody. */
export const withoutPassword = (line: string) => line.replace(/\/\/[^/@\s]*@/g, '//');
