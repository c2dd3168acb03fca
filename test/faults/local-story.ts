import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../support/ports.js';

const program = fileURLToPath(new URL('../local-fleet/main.js', import.meta.url));

/** `npm start` on ports and a data folder of its own; what it says is collected. */
export class LocalStory {
  output = '';
  #read = 0;
  readonly exit: Promise<number | null>;

  private constructor(
    readonly process: ChildProcess,
    readonly dataDir: string,
    readonly ports: readonly number[],
  ) {
    for (const stream of [process.stdout, process.stderr])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.exit = once(process, 'exit').then(([code]) => code as number | null);
  }

  /** On data and ports of its own, or on those of an earlier one: devices keep the addresses that they enrolled with. */
  static async start(earlier?: LocalStory): Promise<LocalStory> {
    const dataDir = earlier?.dataDir ?? join(await mkdtemp(join(tmpdir(), 'flotilla-faults-')), 'data');
    const ports = earlier?.ports ?? (await ownPorts());
    const [http, device, mqtt, firstAgent] = ports.map(String) as [string, string, string, string];
    const listen = ['--port-http', http, '--port-device', device, '--port-mqtt', mqtt, '--port-agents', firstAgent];
    const child = spawn(process.execPath, [program, '--once', '--data', dataDir, ...listen], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new LocalStory(child, dataDir, ports);
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Resolves when the output says `text` after what was waited for last; false when the program ended before. */
  async until(text: string): Promise<boolean> {
    const has = () => {
      const at = this.output.indexOf(text, this.#read);
      if (at >= 0) this.#read = at + text.length;
      return at >= 0;
    };
    while (!has()) {
      const over = await Promise.race([this.exit.then(() => true), once(this.process.stdout!, 'data').then(() => false)]);
      if (over) return has();
    }
    return true;
  }

  async remove(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      await this.exit;
    }
    await rm(join(this.dataDir, '..'), { recursive: true, force: true });
  }
}

/** Of the control plane, then of six devices in a row. */
async function ownPorts(): Promise<number[]> {
  const firstAgent = 20_000 + Math.floor(Math.random() * 10_000);
  return [...(await freePorts(3)), ...Array.from({ length: 6 }, (_, i) => firstAgent + i)];
}
