import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

const Answer = z.object({ id: z.int(), error: z.object({ message: z.string() }).optional(), result: z.unknown() });
const Evaluated = z.object({
  result: z.object({ value: z.unknown() }),
  exceptionDetails: z.object({ text: z.string() }).optional(),
});

/** A page in Chromium, by the DevTools protocol: what a person sees, not what the script meant. */
export class Browser {
  #next = 0;
  #session = '';
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();

  private constructor(
    private readonly child: ChildProcess,
    private readonly profile: string,
    private readonly socket: WebSocket,
  ) {
    socket.addEventListener('message', ({ data }) => this.#answered(String(data)));
  }

  static async open(url: string): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'flotilla-browser-'));
    // As root there is no sandbox; what is looked at is our own page.
    const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
    const child = spawn('chromium', [...args, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const socket = new WebSocket(await devTools(child));
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error('Chromium does not answer')), { once: true });
    });
    const browser = new Browser(child, profile, socket);
    await browser.#attach(url);
    return browser;
  }

  /** The text that is shown in what a selector names; empty where it is not, or is hidden. */
  async text(selector: string): Promise<string> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    return String(await this.evaluate(`${found}?.checkVisibility() ? ${found}.innerText : ''`));
  }

  async evaluate(expression: string): Promise<unknown> {
    const answer = Evaluated.parse(await this.#send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }));
    if (answer.exceptionDetails) throw new Error(`${expression}: ${answer.exceptionDetails.text}`);
    return answer.result.value;
  }

  async picture(file: string): Promise<void> {
    const { data } = z
      .object({ data: z.string() })
      .parse(await this.#send('Page.captureScreenshot', { captureBeyondViewport: true }));
    await writeFile(file, Buffer.from(data, 'base64'));
  }

  async close(): Promise<void> {
    this.socket.close();
    this.child.kill('SIGKILL');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    await rm(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #attach(url: string): Promise<void> {
    const { targetId } = z.object({ targetId: z.string() }).parse(await this.#send('Target.createTarget', { url }));
    const attached = await this.#send('Target.attachToTarget', { targetId, flatten: true });
    this.#session = z.object({ sessionId: z.string() }).parse(attached).sessionId;
  }

  #send(method: string, params: object): Promise<unknown> {
    const id = ++this.#next;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.socket.send(JSON.stringify({ id, method, params, ...(this.#session && { sessionId: this.#session }) }));
    return answer.promise;
  }

  #answered(text: string): void {
    const { success, data } = Answer.safeParse(JSON.parse(text));
    if (!success) return;
    const waiting = this.#waiting.get(data.id);
    this.#waiting.delete(data.id);
    if (data.error) waiting?.reject(new Error(data.error.message));
    else waiting?.resolve(data.result);
  }
}

/** Where it can be spoken to; it says so itself. */
async function devTools(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const [, url] = /DevTools listening on (ws:\S+)/.exec(line) ?? [];
    if (url !== undefined) {
      child.stderr!.resume();
      return url;
    }
  }
  throw new Error('Chromium ended before it could be spoken to');
}
