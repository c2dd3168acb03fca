import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./rtsp-server.py', import.meta.url));
/** The system's own: GStreamer's bindings are a package of the system, which a virtual environment doesn't see. */
const systemPython = '/usr/bin/python3';

/** What a network camera is to a client: GStreamer's RTSP server, with one H.264 video at `/stream`. */
export class RtspServer {
  #process: ChildProcess | undefined;
  #port = 0;

  constructor(
    private readonly file: string,
    private readonly credentials: readonly [user: string, password: string] | readonly [] = [],
  ) {}

  /** At the same port again, once it had one. */
  async start(): Promise<string> {
    const child = spawn(systemPython, [script, String(this.#port), this.file, ...this.credentials], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process = child;
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('the RTSP server ended before it listened')));
    const [line] = (await Promise.race([once(createInterface({ input: child.stdout! }), 'line'), ended])) as [string];
    ended.catch(() => {});
    this.#port = Number(line);
    return `rtsp://127.0.0.1:${this.#port}/stream`;
  }

  /** As a camera whose power is cut. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
